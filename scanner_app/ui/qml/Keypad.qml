// Keys on the screen for kiosks without a keyboard: the characters of addresses and setup codes.
import QtQuick

Column {
    id: keypad

    required property var colours
    required property var labels
    required property real unit
    required property var target
    property bool capitals: true
    readonly property var rows: ["1234567890", "QWERTYUIOP", "ASDFGHJKL-", "ZXCVBNM./:"]
    readonly property real keyHeight: (height - spacing * rows.length) / (rows.length + 1)

    signal finished

    function type(character: string): void {
        if (target)
            target.insert(target.cursorPosition, capitals ? character : character.toLowerCase());
    }

    function erase(): void {
        if (target && target.cursorPosition > 0)
            target.remove(target.cursorPosition - 1, target.cursorPosition);
    }

    spacing: unit

    Repeater {
        model: keypad.rows.length

        Row {
            id: row

            required property int index

            spacing: keypad.spacing

            Repeater {
                model: 10

                TouchButton {
                    required property int index

                    colours: keypad.colours
                    height: keypad.keyHeight
                    objectName: "key-" + text
                    text: keypad.rows[row.index][index]
                    unit: keypad.unit
                    width: (keypad.width - 9 * keypad.spacing) / 10
                    onTapped: keypad.type(text)
                }
            }
        }
    }

    Row {
        spacing: keypad.spacing

        TouchButton {
            colours: keypad.colours
            height: keypad.keyHeight
            objectName: "key-erase"
            text: keypad.labels.erase
            unit: keypad.unit
            width: (keypad.width - keypad.spacing) / 2
            onTapped: keypad.erase()
        }

        TouchButton {
            colours: keypad.colours
            height: keypad.keyHeight
            objectName: "key-done"
            text: keypad.labels.done
            unit: keypad.unit
            width: (keypad.width - keypad.spacing) / 2
            onTapped: keypad.finished()
        }
    }
}
