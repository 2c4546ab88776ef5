// The window: one view fills it, chosen by the one screen value; header and language sheet on top.
import QtQuick
import QtQuick.Window

Window {
    id: window

    required property var kiosk
    required property var feed
    readonly property var shown: JSON.parse(kiosk.shown)
    readonly property real unit: Math.min(width, height) / 100
    readonly property bool judging: shown.view === "VerdictView"
    property bool choosingLanguage: false
    // Outlive the view that they are typed into: whose setup failed does not type it all again.
    property string setupAddress: ""
    property string setupLetters: ""

    color: shown.colours.background
    height: 600
    minimumHeight: 240
    minimumWidth: 320
    title: "ZERAKET Gate"
    width: 1024
    onShownChanged: {
        if (shown.view === "ScanningView")
            // They have served, and are nobody else's business.
            setupAddress = setupLetters = "";
    }

    HeaderBar {
        id: header

        anchors.left: parent.left
        anchors.right: parent.right
        shown: window.shown
        unit: window.unit
        visible: !window.judging
        onLanguageWanted: window.choosingLanguage = true
        onThemeWanted: window.kiosk.switch_theme()
    }

    Item {
        id: stage

        anchors.bottom: parent.bottom
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.top: header.bottom

        // Kept loaded beside the verdict, so that neither has to be built while somebody waits.
        ScanningView {
            anchors.fill: parent
            feed: window.feed
            shown: window.shown
            unit: window.unit
            visible: window.shown.view === "ScanningView"
        }

        Loader {
            active: window.shown.view === "EnrolmentView"
            anchors.fill: parent

            sourceComponent: EnrolmentView {
                feed: window.feed
                shown: window.shown
                address: window.setupAddress
                letters: window.setupLetters
                unit: window.unit
                onScanned: text => window.kiosk.enrol_scanned(text)
                onTyped: (address, letters) => {
                    window.setupAddress = address;
                    window.setupLetters = letters;
                    window.kiosk.enrol_typed(address, letters);
                }
            }
        }

        Loader {
            active: window.shown.view === "ConfirmationView"
            anchors.fill: parent

            sourceComponent: ConfirmationView {
                shown: window.shown
                unit: window.unit
            }
        }

        Loader {
            active: window.shown.view === "NoticeView"
            anchors.fill: parent

            sourceComponent: NoticeView {
                shown: window.shown
                unit: window.unit
            }
        }
    }

    Loader {
        active: window.choosingLanguage
        anchors.fill: parent

        sourceComponent: LanguageSheet {
            shown: window.shown
            unit: window.unit
            onChosen: code => {
                window.choosingLanguage = false;
                window.kiosk.choose_language(code);
            }
            onClosed: window.choosingLanguage = false
        }
    }

    // Above everything: a verdict is never covered.
    VerdictView {
        anchors.fill: parent
        shown: window.shown
        unit: window.unit
        visible: window.judging
        onTapped: window.kiosk.dismiss()
    }
}
