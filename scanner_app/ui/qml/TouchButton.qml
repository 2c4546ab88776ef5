// A button for wet fingers: never smaller than twelve millimetres.
import QtQuick

Rectangle {
    id: button

    required property string text
    required property var colours
    required property real unit
    property bool chosen: false
    property bool available: true

    signal tapped

    border.color: colours.text
    border.width: Math.max(1, unit * (chosen ? 0.8 : 0.3))
    color: touch.pressed || chosen ? colours.accent : colours.surface
    implicitHeight: unit * 13.3
    implicitWidth: unit * 26
    opacity: available ? 1 : 0.4
    radius: unit * 1.5

    FitText {
        anchors.fill: parent
        anchors.margins: button.unit * 1.2
        color: touch.pressed || button.chosen ? button.colours.background : button.colours.text
        font.bold: true
        horizontalAlignment: Text.AlignHCenter
        largest: button.unit * 4.2
        text: button.text
    }

    MouseArea {
        id: touch

        anchors.fill: parent
        enabled: button.available
        onClicked: button.tapped()
    }
}
