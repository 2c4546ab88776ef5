// How the kiosk stands, in plain words; trouble has a shape of its own and stands out.
import QtQuick

Grid {
    id: line

    required property var shown
    required property real unit
    readonly property var marks: ({ good: "tick", note: "clock", trouble: "attention" })
    readonly property bool wide: width > unit * 130
    readonly property real cellWidth: (width - (columns - 1) * spacing) / columns

    columns: wide ? 3 : 2
    spacing: unit * 1.2

    Repeater {
        model: line.shown.status.length

        Rectangle {
            id: cell

            required property int index
            readonly property var item: line.shown.status[index] ?? ({ text: "", level: "good" })
            readonly property bool trouble: item.level === "trouble"

            color: trouble ? line.shown.neutral.text : line.shown.neutral.surface
            height: line.unit * (line.wide ? 7.4 : 9)
            radius: line.unit
            width: line.cellWidth

            ShapeMark {
                id: mark

                anchors.left: parent.left
                anchors.leftMargin: line.unit * 1.5
                anchors.verticalCenter: parent.verticalCenter
                height: line.unit * 4.5
                ink: words.color
                shape: line.marks[cell.item.level]
                width: height
            }

            FitText {
                id: words

                anchors.bottom: parent.bottom
                anchors.left: mark.right
                anchors.leftMargin: line.unit * 1.5
                anchors.right: parent.right
                anchors.rightMargin: line.unit
                anchors.top: parent.top
                color: cell.trouble ? line.shown.neutral.background : line.shown.neutral.text
                largest: line.unit * 3.4
                text: cell.item.text
            }
        }
    }
}
