// Text that shrinks until it fits its place; `clipped` says where even that did not help.
import QtQuick

Text {
    required property real largest
    readonly property bool clipped: visible && text !== "" && (truncated || contentWidth > width + 1 || contentHeight > height + 1)

    font.pixelSize: Math.max(1, Math.round(largest))
    fontSizeMode: Text.Fit
    minimumPixelSize: 8
    objectName: "fitText"
    textFormat: Text.PlainText
    verticalAlignment: Text.AlignVCenter
    wrapMode: Text.WordWrap
}
