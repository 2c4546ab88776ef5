// One message over the whole screen: starting, fetching, stopped, or what is wrong and what to do.
import QtQuick

Rectangle {
    id: view

    required property var shown
    required property real unit
    readonly property bool landscape: width > height
    readonly property real gap: unit * 6

    color: shown.colours.background

    ShapeMark {
        id: mark

        height: view.landscape ? view.height * 0.6 : view.height * 0.3
        ink: view.shown.colours.accent
        shape: view.shown.shape
        width: view.landscape ? view.width * 0.28 : view.width - 2 * view.gap
        x: view.gap
        y: view.landscape ? (view.height - height) / 2 : view.gap
    }

    Column {
        id: words

        anchors.verticalCenter: view.landscape ? parent.verticalCenter : undefined
        spacing: view.unit * 2
        width: view.width - x - view.gap
        x: view.landscape ? mark.x + mark.width + view.gap : view.gap
        y: mark.y + mark.height + view.gap

        FitText {
            color: view.shown.colours.text
            font.bold: true
            height: view.unit * 26
            largest: view.unit * 12
            text: view.shown.headline
            width: parent.width
        }

        FitText {
            color: view.shown.colours.text
            height: view.unit * 20
            largest: view.unit * 6
            text: view.shown.instruction
            width: parent.width
        }

        FitText {
            color: view.shown.colours.text
            font.bold: true
            height: view.unit * 22
            largest: view.unit * 6
            text: view.shown.next_step
            width: parent.width
        }
    }
}
