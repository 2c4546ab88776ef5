// The verdict: one shape, one word, what it means, what to do next, and the grounds. A tap ends it.
import QtQuick

Rectangle {
    id: view

    required property var shown
    required property real unit
    readonly property bool landscape: width > height
    readonly property real gap: unit * 5

    signal tapped

    border.color: shown.colours.frame
    border.width: unit * 2.6
    color: shown.colours.background

    ShapeMark {
        id: mark

        objectName: "verdictShape"
        height: view.landscape ? view.height - 2 * view.gap : view.height * 0.34
        ink: view.shown.colours.accent
        shape: view.shown.shape
        side: Math.min(width, height) * 0.94
        width: view.landscape ? view.width * 0.31 : view.width - 2 * view.gap
        x: view.gap
        y: view.gap
    }

    Item {
        id: words

        height: view.height - y - view.gap
        width: view.width - x - view.gap * 1.2
        x: view.landscape ? mark.x + mark.width + view.gap * 0.8 : view.gap * 1.2
        y: view.landscape ? view.gap : mark.y + mark.height

        FitText {
            id: word

            readonly property real pixels: fontInfo.pixelSize

            color: view.shown.colours.text
            font.bold: true
            height: parent.height * (view.landscape ? 0.41 : 0.36)
            largest: view.unit * 26
            lineHeight: 0.95
            objectName: "verdictWord"
            text: view.shown.headline
            width: parent.width
        }

        FitText {
            id: instruction

            anchors.top: word.bottom
            color: view.shown.colours.text
            height: parent.height * 0.15
            largest: view.unit * 6
            text: view.shown.instruction
            width: parent.width
        }

        Rectangle {
            id: advice

            anchors.top: instruction.bottom
            anchors.topMargin: view.unit
            color: view.shown.colours.surface
            height: parent.height * 0.18
            radius: view.unit * 1.5
            width: parent.width

            FitText {
                anchors.fill: parent
                anchors.leftMargin: view.unit * 2.5
                anchors.rightMargin: view.unit * 2.5
                color: view.shown.colours.text
                font.bold: true
                largest: view.unit * 5.6
                text: view.shown.next_step
            }
        }

        FitText {
            id: ground

            anchors.top: advice.bottom
            anchors.topMargin: view.unit
            color: view.shown.colours.text
            font.bold: true
            height: visible ? parent.height * 0.1 : 0
            largest: view.unit * 5
            text: view.shown.details[0] ?? ""
            visible: text !== ""
            width: parent.width
        }

        FitText {
            anchors.bottom: parent.bottom
            anchors.top: ground.bottom
            color: view.shown.colours.text
            largest: view.unit * 4
            text: view.shown.details.slice(1).join("\n")
            verticalAlignment: Text.AlignTop
            visible: text !== ""
            width: parent.width
        }
    }

    MouseArea {
        anchors.fill: parent
        onClicked: view.tapped()
    }
}
