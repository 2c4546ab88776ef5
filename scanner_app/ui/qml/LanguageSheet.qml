// The languages on offer, each under its own name: one tap opens it, the second chooses.
import QtQuick

Rectangle {
    id: sheet

    required property var shown
    required property real unit

    signal chosen(string code)
    signal closed

    color: shown.neutral.background

    MouseArea {
        // What lies below must not be tapped through the sheet; a tap beside the languages closes it.
        anchors.fill: parent
        onClicked: sheet.closed()
    }

    Grid {
        anchors.centerIn: parent
        columns: sheet.width > sheet.height ? 2 : 1
        spacing: sheet.unit * 2.5

        Repeater {
            model: sheet.shown.languages.length

            TouchButton {
                required property int index
                readonly property var language: sheet.shown.languages[index]

                chosen: language.chosen
                colours: sheet.shown.neutral
                height: sheet.unit * 16
                objectName: "language-" + language.code
                text: language.name
                unit: sheet.unit * 1.3
                width: sheet.unit * 70
                onTapped: sheet.chosen(language.code)
            }
        }

        TouchButton {
            colours: sheet.shown.neutral
            height: sheet.unit * 16
            text: sheet.shown.labels.close
            unit: sheet.unit * 1.3
            width: sheet.unit * 70
            onTapped: sheet.closed()
        }
    }
}
