// Where the kiosk stands, and the two things anybody may change: language and theme.
import QtQuick

Item {
    id: header

    required property var shown
    required property real unit

    signal languageWanted
    signal themeWanted

    readonly property bool narrow: width < unit * 130

    implicitHeight: unit * 15.5

    Column {
        anchors.left: parent.left
        anchors.right: buttons.left
        anchors.margins: header.unit * 3
        anchors.verticalCenter: parent.verticalCenter

        FitText {
            color: header.shown.colours.text
            font.bold: true
            height: header.unit * 7
            largest: header.unit * 5
            text: header.shown.gate || "ZERAKET Gate"
            width: parent.width
        }

        FitText {
            color: header.shown.colours.text
            height: visible ? header.unit * 5 : 0
            largest: header.unit * 3.4
            text: header.shown.event
            visible: text !== ""
            width: parent.width
        }
    }

    Row {
        id: buttons

        anchors.right: parent.right
        anchors.rightMargin: header.unit * 2
        anchors.verticalCenter: parent.verticalCenter
        spacing: header.unit * 2

        TouchButton {
            colours: header.shown.colours
            objectName: "languageButton"
            text: header.shown.labels.language
            unit: header.unit
            width: header.unit * (header.narrow ? 22 : 30)
            onTapped: header.languageWanted()
        }

        TouchButton {
            colours: header.shown.colours
            objectName: "themeButton"
            text: header.shown.labels.other_theme
            unit: header.unit
            width: header.unit * (header.narrow ? 20 : 26)
            onTapped: header.themeWanted()
        }
    }
}
