// The silhouettes, drawn as thick lines and filled areas in a box of 100 by 100.
import QtQuick
import QtQuick.Shapes

Item {
    id: mark

    required property string shape
    required property color ink
    property real side: Math.min(width, height)

    readonly property var drawings: ({
        tick: { line: "M12 54 L39 81 L88 22", width: 19, area: "" },
        "return": {
            line: "M21 33 A36 36 0 1 0 50 16 M34 53 L46 65 L68 42", width: 11,
            area: "M54 1 L54 33 L31 17 Z"
        },
        exit: { line: "M46 12 H14 V88 H46 M36 50 H84 M64 27 L88 50 L64 73", width: 12, area: "" },
        attention: {
            line: "", width: 1,
            area: "M50 5 Q54 5 57 10 L97 82 Q101 91 92 92 H8 Q-1 91 3 82 L43 10 Q46 5 50 5 Z M43 32 L46 62 H54 L57 32 Z M43 77 A7 7 0 1 0 57 77 A7 7 0 1 0 43 77 Z"
        },
        provisional: {
            line: "M18 36 L41 59 L84 12", width: 16,
            area: "M12 86 A8 8 0 1 0 28 86 A8 8 0 1 0 12 86 Z M42 86 A8 8 0 1 0 58 86 A8 8 0 1 0 42 86 Z M72 86 A8 8 0 1 0 88 86 A8 8 0 1 0 72 86 Z"
        },
        cross: { line: "M18 18 L82 82 M82 18 L18 82", width: 22, area: "" },
        hand: {
            line: "M31 54 V24 M45 50 V13 M59 50 V15 M73 54 V25 M13 54 L28 72", width: 11,
            area: "M25.5 52 H78.5 V68 Q78 96 53 96 Q38 96 29 84 L22 74 Z"
        },
        clock: { line: "M50 10 A40 40 0 1 1 49.9 10 M50 28 V52 L67 63", width: 11, area: "" },
        direction: {
            line: "M50 6 V96", width: 9,
            area: "M20 14 H76 L92 28 L76 42 H20 Z M80 50 H24 L8 64 L24 78 H80 Z"
        },
        question: {
            line: "M28 32 A22 22 0 1 1 60 51 Q50 57 50 68", width: 14,
            area: "M41 90 A9 9 0 1 0 59 90 A9 9 0 1 0 41 90 Z"
        },
        phone: {
            line: "M30 7 H70 Q77 7 77 14 V86 Q77 93 70 93 H30 Q23 93 23 86 V14 Q23 7 30 7 Z M61 39 A15 15 0 1 0 65 54", width: 8,
            area: "M70 31 V50 L52 45 Z M45 81 H55 V85 H45 Z"
        },
        device: {
            line: "M14 14 H86 V66 H14 Z M50 66 V86 M28 88 H72 M50 27 V42", width: 9,
            area: "M44.5 54 A5.5 5.5 0 1 0 55.5 54 A5.5 5.5 0 1 0 44.5 54 Z"
        }
    })
    readonly property var drawing: drawings[shape]

    Shape {
        anchors.centerIn: parent
        height: 100
        preferredRendererType: Shape.CurveRenderer
        scale: mark.side / 100
        width: 100

        ShapePath {
            capStyle: ShapePath.RoundCap
            fillColor: "transparent"
            joinStyle: ShapePath.RoundJoin
            strokeColor: mark.drawing.line === "" ? "transparent" : mark.ink
            strokeWidth: mark.drawing.width

            PathSvg { path: mark.drawing.line }
        }

        ShapePath {
            fillColor: mark.ink
            fillRule: ShapePath.OddEvenFill
            strokeColor: "transparent"
            strokeWidth: -1

            PathSvg { path: mark.drawing.area }
        }
    }
}
