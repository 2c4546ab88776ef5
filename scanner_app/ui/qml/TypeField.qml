// A field to type into, with its name above it.
import QtQuick

Item {
    id: field

    required property string label
    required property var colours
    required property real unit
    property alias text: input.text
    property alias input: input
    property alias typing: input.activeFocus

    signal accepted

    implicitHeight: unit * 19

    FitText {
        id: name

        color: field.colours.text
        font.bold: true
        height: field.unit * 5.5
        largest: field.unit * 3.6
        text: field.label
        width: parent.width
    }

    Rectangle {
        anchors.bottom: parent.bottom
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.top: name.bottom
        border.color: input.activeFocus ? field.colours.accent : field.colours.text
        border.width: Math.max(1, field.unit * (input.activeFocus ? 0.9 : 0.3))
        color: field.colours.surface
        radius: field.unit * 1.5

        TextInput {
            id: input

            anchors.fill: parent
            anchors.leftMargin: field.unit * 2.5
            anchors.rightMargin: field.unit * 2.5
            clip: true
            color: field.colours.text
            // Letters are to be compared with those on paper, so all of them have to be seen.
            font.pixelSize: Math.max(1, Math.round(Math.min(field.unit * 5, Math.max(field.unit * 2.8, width * 1.45 / Math.max(1, text.length)))))
            inputMethodHints: Qt.ImhNoPredictiveText | Qt.ImhNoAutoUppercase
            maximumLength: 1024
            selectByMouse: true
            verticalAlignment: TextInput.AlignVCenter
            onAccepted: field.accepted()
        }
    }
}
