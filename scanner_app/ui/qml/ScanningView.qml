// Waiting for the next phone: the live picture, what to do, the last scans, how the kiosk stands.
import QtQuick
import Zeraket.Gate

Item {
    id: view

    required property var shown
    required property real unit
    required property var feed
    readonly property bool landscape: width > height
    readonly property real gap: unit * 2.5

    Rectangle {
        id: stage

        anchors.left: parent.left
        anchors.leftMargin: view.gap
        anchors.top: parent.top
        clip: true
        color: "black"
        height: view.landscape ? status.y - view.gap : view.height * 0.46
        radius: view.unit * 1.5
        width: view.landscape ? (view.width - 3 * view.gap) * 0.6 : view.width - 2 * view.gap

        CameraPreview {
            anchors.bottom: invitation.top
            anchors.left: parent.left
            anchors.right: parent.right
            anchors.top: parent.top
            feed: view.feed
            objectName: "preview"
            visible: view.shown.live
        }

        ShapeMark {
            anchors.bottom: invitation.top
            anchors.left: parent.left
            anchors.margins: view.unit * 6
            anchors.right: parent.right
            anchors.top: parent.top
            ink: "white"
            shape: "device"
            visible: !view.shown.live
        }

        Rectangle {
            id: invitation

            anchors.bottom: parent.bottom
            anchors.left: parent.left
            anchors.right: parent.right
            color: view.shown.neutral.accent
            height: view.unit * 15

            ShapeMark {
                id: mark

                anchors.left: parent.left
                anchors.leftMargin: view.gap
                anchors.verticalCenter: parent.verticalCenter
                height: view.unit * 9
                ink: view.shown.neutral.background
                shape: view.shown.shape
                width: height
            }

            FitText {
                anchors.bottom: parent.bottom
                anchors.left: mark.right
                anchors.leftMargin: view.unit * 2
                anchors.right: parent.right
                anchors.rightMargin: view.gap
                anchors.top: parent.top
                color: view.shown.neutral.background
                font.bold: true
                largest: view.unit * 5.6
                text: view.shown.headline
            }
        }
    }

    RecentScans {
        anchors.bottom: status.top
        anchors.bottomMargin: view.gap
        anchors.left: view.landscape ? stage.right : parent.left
        anchors.leftMargin: view.gap
        anchors.right: parent.right
        anchors.rightMargin: view.gap
        anchors.top: view.landscape ? parent.top : stage.bottom
        anchors.topMargin: view.landscape ? 0 : view.gap
        shown: view.shown
        unit: view.unit
    }

    StatusLine {
        id: status

        anchors.bottom: parent.bottom
        anchors.bottomMargin: view.gap
        anchors.left: parent.left
        anchors.leftMargin: view.gap
        shown: view.shown
        unit: view.unit
        width: parent.width - 2 * view.gap
    }
}
