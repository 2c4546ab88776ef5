// The six digits that kiosk and organizer compare.
import QtQuick

Item {
    id: view

    required property var shown
    required property real unit
    readonly property real gap: unit * 6

    Column {
        anchors.centerIn: parent
        spacing: view.unit * 3
        width: parent.width - 2 * view.gap

        FitText {
            color: view.shown.colours.text
            font.bold: true
            height: view.unit * 12
            horizontalAlignment: Text.AlignHCenter
            largest: view.unit * 8
            text: view.shown.headline
            width: parent.width
        }

        Row {
            id: digits

            readonly property real cell: Math.min(view.unit * 24, (parent.width - 5 * spacing) / 6)

            anchors.horizontalCenter: parent.horizontalCenter
            spacing: view.unit * 2

            Repeater {
                model: view.shown.details.length

                Rectangle {
                    id: box

                    required property int index

                    border.color: view.shown.colours.text
                    border.width: Math.max(1, view.unit * 0.4)
                    color: view.shown.colours.surface
                    height: digits.cell * 1.25
                    radius: view.unit * 1.5
                    width: digits.cell

                    FitText {
                        anchors.fill: parent
                        color: view.shown.colours.text
                        font.bold: true
                        horizontalAlignment: Text.AlignHCenter
                        largest: digits.cell * 0.8
                        text: view.shown.details[box.index] ?? ""
                    }
                }
            }
        }

        FitText {
            color: view.shown.colours.text
            height: view.unit * 14
            horizontalAlignment: Text.AlignHCenter
            largest: view.unit * 5
            text: view.shown.instruction
            width: parent.width
        }

        FitText {
            color: view.shown.colours.text
            font.bold: true
            height: view.unit * 14
            horizontalAlignment: Text.AlignHCenter
            largest: view.unit * 5
            text: view.shown.next_step
            width: parent.width
        }
    }
}
