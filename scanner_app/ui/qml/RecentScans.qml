// The last ten scans: time, shape, word, ticket type and initials. Never a code.
import QtQuick

Item {
    id: recent

    required property var shown
    required property real unit

    FitText {
        id: heading

        anchors.left: parent.left
        anchors.right: parent.right
        anchors.top: parent.top
        color: recent.shown.neutral.text
        font.bold: true
        height: recent.unit * 6
        largest: recent.unit * 3.6
        text: recent.shown.labels.recent
    }

    FitText {
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.top: heading.bottom
        color: recent.shown.neutral.text
        height: recent.unit * 8
        largest: recent.unit * 3.6
        text: recent.shown.labels.recent_none
        visible: recent.shown.recent.length === 0
    }

    ListView {
        readonly property int whole: Math.max(1, Math.floor((height + spacing) / (recent.unit * 9 + spacing)))
        readonly property real rowHeight: (height + spacing) / whole - spacing

        anchors.left: parent.left
        anchors.right: parent.right
        anchors.top: heading.bottom
        boundsBehavior: Flickable.StopAtBounds
        clip: true
        height: parent.height - heading.height
        model: recent.shown.recent.length
        spacing: recent.unit

        delegate: Rectangle {
            id: row

            required property int index
            readonly property var scan: recent.shown.recent[index] ?? ({
                time: "", word: "", shape: "tick", who: "", background: "white", text: "black"
            })

            color: scan.background
            height: ListView.view.rowHeight
            radius: recent.unit
            width: ListView.view.width

            ShapeMark {
                id: mark

                anchors.left: parent.left
                anchors.leftMargin: recent.unit * 1.5
                anchors.verticalCenter: parent.verticalCenter
                height: recent.unit * 6
                ink: row.scan.text
                shape: row.scan.shape
                width: height
            }

            FitText {
                id: word

                anchors.left: mark.right
                anchors.leftMargin: recent.unit * 1.5
                anchors.right: time.left
                anchors.top: parent.top
                color: row.scan.text
                font.bold: true
                height: row.scan.who === "" ? parent.height : parent.height * 0.56
                largest: recent.unit * 3.4
                text: row.scan.word
            }

            FitText {
                anchors.bottom: parent.bottom
                anchors.left: word.left
                anchors.right: time.left
                anchors.top: word.bottom
                color: row.scan.text
                largest: recent.unit * 2.7
                text: row.scan.who
                verticalAlignment: Text.AlignTop
                visible: row.scan.who !== ""
            }

            FitText {
                id: time

                anchors.bottom: parent.bottom
                anchors.right: parent.right
                anchors.rightMargin: recent.unit * 1.5
                anchors.top: parent.top
                color: row.scan.text
                horizontalAlignment: Text.AlignRight
                largest: recent.unit * 3
                text: row.scan.time
                width: recent.unit * 15
            }
        }
    }
}
