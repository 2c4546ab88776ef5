// Setting the gate up: show the code to the camera, or type address and letters.
import QtQuick
import Zeraket.Gate

Item {
    id: view

    required property var shown
    required property real unit
    required property var feed
    required property string address
    required property string letters
    readonly property bool landscape: width > height
    readonly property bool typing: addressField.typing || lettersField.typing
    readonly property real gap: unit * 2.5

    signal typed(string address, string letters)
    signal scanned(string text)

    function submit(): void {
        if (lettersField.text !== "")
            view.typed(addressField.text, lettersField.text);
        else if (addressField.text !== "")
            // A hand scanner has typed a whole code into the field that had the focus.
            view.scanned(addressField.text);
        focus = true;
    }

    Rectangle {
        id: stage

        clip: true
        color: "black"
        height: view.landscape ? view.height - view.gap : view.height * 0.34
        radius: view.unit * 1.5
        visible: !view.typing
        width: view.landscape ? view.width * 0.4 : view.width - 2 * view.gap
        x: view.gap

        CameraPreview {
            anchors.fill: parent
            feed: view.feed
            objectName: "preview"
            visible: view.shown.live
        }

        ShapeMark {
            anchors.fill: parent
            anchors.margins: view.unit * 10
            ink: "white"
            shape: "device"
            visible: !view.shown.live
        }

        FitText {
            anchors.bottom: parent.bottom
            anchors.left: parent.left
            anchors.margins: view.gap
            anchors.right: parent.right
            color: "white"
            height: view.unit * 12
            horizontalAlignment: Text.AlignHCenter
            largest: view.unit * 4
            text: view.shown.details.join("\n")
        }
    }

    Column {
        id: words

        spacing: view.unit
        visible: !view.typing
        width: view.width - x - view.gap
        x: view.landscape ? stage.x + stage.width + view.gap : view.gap
        y: view.landscape ? 0 : stage.height + view.gap

        FitText {
            color: view.shown.colours.text
            font.bold: true
            height: view.unit * 8
            largest: view.unit * 6
            text: view.shown.headline
            width: parent.width
        }

        FitText {
            color: view.shown.colours.text
            height: view.unit * 11
            largest: view.unit * 4
            text: view.shown.instruction
            visible: view.shown.problem === ""
            width: parent.width
        }
    }

    Rectangle {
        id: problem

        anchors.left: form.left
        anchors.right: form.right
        anchors.top: words.bottom
        anchors.topMargin: view.unit
        color: view.shown.colours.text
        height: visible ? view.unit * 12 : 0
        radius: view.unit
        visible: view.shown.problem !== "" && !view.typing

        ShapeMark {
            id: warning

            anchors.left: parent.left
            anchors.leftMargin: view.unit * 2
            anchors.verticalCenter: parent.verticalCenter
            height: view.unit * 8
            ink: view.shown.colours.background
            shape: "attention"
            width: height
        }

        FitText {
            anchors.bottom: parent.bottom
            anchors.left: warning.right
            anchors.leftMargin: view.unit * 2
            anchors.right: parent.right
            anchors.rightMargin: view.unit
            anchors.top: parent.top
            color: view.shown.colours.background
            font.bold: true
            largest: view.unit * 3.8
            text: view.shown.problem
        }
    }

    Grid {
        id: form

        readonly property bool beside: view.typing && view.landscape
        readonly property real cell: beside ? (width - columnSpacing) / 2 : width

        columnSpacing: view.gap
        columns: beside ? 2 : 1
        rowSpacing: view.unit
        width: view.width - x - view.gap
        x: view.typing ? view.gap : words.x
        y: view.typing ? 0 : view.landscape ? view.height - height - view.gap : problem.y + problem.height + view.unit

        TypeField {
            id: addressField

            colours: view.shown.colours
            label: view.shown.labels.address
            objectName: "addressField"
            unit: view.unit
            width: form.cell
            text: view.address
            onAccepted: text !== "" && lettersField.text === "" && text.startsWith("TKE1:") ? view.submit() : lettersField.input.forceActiveFocus()
        }

        TypeField {
            id: lettersField

            colours: view.shown.colours
            label: view.shown.labels.letters
            objectName: "lettersField"
            unit: view.unit
            width: form.cell
            text: view.letters
            onAccepted: view.submit()
        }

        TouchButton {
            available: addressField.text !== ""
            colours: view.shown.colours
            objectName: "enrolButton"
            text: view.shown.labels.send
            unit: view.unit
            visible: !view.typing
            width: form.cell
            onTapped: view.submit()
        }
    }

    Keypad {
        anchors.bottom: parent.bottom
        anchors.bottomMargin: view.gap
        anchors.left: parent.left
        anchors.leftMargin: view.gap
        anchors.right: parent.right
        anchors.rightMargin: view.gap
        capitals: lettersField.typing
        colours: view.shown.colours
        height: Math.min(view.unit * 76, view.height - form.height - 2 * view.gap)
        labels: view.shown.labels
        target: lettersField.typing ? lettersField.input : addressField.input
        unit: view.unit
        visible: view.typing
        onFinished: view.forceActiveFocus()
    }
}
