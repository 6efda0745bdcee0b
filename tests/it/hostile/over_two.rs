//! HTTP/2, frame by frame, by servers that do not keep to it.

use super::wire::Step::{self, Finish, HearTwo, Wait};
use super::wire::{flood, say};
use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` of the static table of HPACK.
const STATUS_200: u8 = 0x88;

const WRONG: Expected = Down(ErrorKind::InvalidResponse, "HTTP/2: …");

/// One frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head, payload.to_vec()].concat()
}

/// The settings that every server begins with, and the answer to those of the client.
fn begin() -> Step {
    say([frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat())
}

/// A field of HPACK that is not indexed: name and value in plain octets.
fn field(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], part(name), part(value)].concat()
}

fn headers(flags: u8, fields: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, 1, &[&[STATUS_200], fields].concat())
}

/// Adds all of this file.
pub async fn add_all(cases: &mut Vec<Case>) {
    let acceptor = over_tls::self_signed(false, &[b"h2"]);
    let lax = json!({"verify_tls": false});
    let late = json!({"verify_tls": false, "timeout_seconds": 1});
    let reset = |text| Down(ErrorKind::Reset, text);
    let ok = headers(0, &[]);
    let cut = Down(ErrorKind::Reset, "connection closed before the answer was complete");
    for (name, steps, fields, expected) in [
        (
            "a whole answer",
            vec![HearTwo, begin(), say(&ok), say(frame(DATA, END_STREAM, 1, b"ok")), Wait],
            &lax,
            Up,
        ),
        (
            "an answer without a body",
            vec![HearTwo, begin(), say(headers(END_STREAM, &[])), Wait],
            &lax,
            Up,
        ),
        (
            "an answer, then GOAWAY",
            vec![
                HearTwo,
                begin(),
                say(headers(END_STREAM, &[])),
                say(frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])),
                Finish,
            ],
            &lax,
            Up,
        ),
        (
            "early hints",
            vec![
                HearTwo,
                begin(),
                say(frame(HEADERS, END_HEADERS, 1, &field(":status", "103"))),
                say(headers(END_STREAM, &[])),
                Wait,
            ],
            &lax,
            Up,
        ),
        (
            "a body without end",
            vec![HearTwo, begin(), say(&ok), flood(frame(DATA, 0, 1, &[b'x'; 16384]))],
            &lax,
            // It heeds no window: that shows unless the first mebibyte is read before.
            Expected::Either(&[Up, WRONG]),
        ),
        (
            "GOAWAY at once",
            vec![HearTwo, begin(), say(frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])), Finish],
            &lax,
            reset("HTTP/2: …"),
        ),
        (
            "RST_STREAM",
            vec![HearTwo, begin(), say(frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])), Wait],
            &lax,
            reset("HTTP/2: …"),
        ),
        (
            "RST_STREAM in the body",
            vec![HearTwo, begin(), say(&ok), say(frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])), Wait],
            &lax,
            reset("HTTP/2: …"),
        ),
        ("closed without an answer", vec![HearTwo, begin(), Finish], &lax, cut),
        (
            "closed in the body",
            vec![HearTwo, begin(), say(&ok), say(frame(DATA, 0, 1, b"x")), Finish],
            &lax,
            cut,
        ),
        (
            "RST_STREAM of streams that are not",
            vec![HearTwo, begin(), flood(frame(RST_STREAM, 0, 7, &[0, 0, 0, 8]))],
            &lax,
            WRONG,
        ),
        (
            "CONTINUATION without end",
            vec![
                HearTwo,
                begin(),
                say(frame(HEADERS, 0, 1, &[STATUS_200])),
                flood(frame(CONTINUATION, 0, 1, &field("x", "y").repeat(1000))),
            ],
            &lax,
            WRONG,
        ),
        (
            "empty CONTINUATION without end",
            vec![
                HearTwo,
                begin(),
                say(frame(HEADERS, 0, 1, &[STATUS_200])),
                flood(frame(CONTINUATION, 0, 1, &[]).repeat(100)),
            ],
            &lax,
            WRONG,
        ),
        (
            "a header of 60 kB",
            vec![
                HearTwo,
                begin(),
                say(headers(END_STREAM, &field("x", &"y".repeat(120)).repeat(130)[..16000])),
                Wait,
            ],
            &lax,
            WRONG,
        ),
        (
            "DATA before any header",
            vec![HearTwo, begin(), say(frame(DATA, END_STREAM, 1, b"ok")), Wait],
            &lax,
            WRONG,
        ),
        ("DATA on stream 0", vec![HearTwo, begin(), flood(frame(DATA, 0, 0, b"ok"))], &lax, WRONG),
        (
            "a frame of 16 MB",
            vec![HearTwo, begin(), say([0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]), flood([0; 16384])],
            &lax,
            WRONG,
        ),
        (
            "a header that HPACK cannot read",
            vec![
                HearTwo,
                begin(),
                say(frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
                Wait,
            ],
            &lax,
            WRONG,
        ),
        (
            "a header without a status",
            vec![
                HearTwo,
                begin(),
                say(frame(HEADERS, END_HEADERS | END_STREAM, 1, &field("x", "y"))),
                Wait,
            ],
            &lax,
            WRONG,
        ),
        (
            "status abc",
            vec![
                HearTwo,
                begin(),
                say(frame(HEADERS, END_HEADERS | END_STREAM, 1, &field(":status", "abc"))),
                Wait,
            ],
            &lax,
            WRONG,
        ),
        (
            "a name in capitals",
            vec![HearTwo, begin(), say(headers(END_STREAM, &field("X", "y"))), Wait],
            &lax,
            WRONG,
        ),
        (
            "a push that nobody wants",
            vec![
                HearTwo,
                begin(),
                say(frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, STATUS_200])),
                Wait,
            ],
            &lax,
            WRONG,
        ),
        (
            "a length that is not kept",
            vec![
                HearTwo,
                begin(),
                say(headers(0, &field("content-length", "9"))),
                say(frame(DATA, END_STREAM, 1, b"ok")),
                Wait,
            ],
            &lax,
            WRONG,
        ),
        (
            "a window beyond all bounds",
            vec![HearTwo, begin(), flood(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]))],
            &lax,
            WRONG,
        ),
        (
            "HTTP/1.1 where HTTP/2 was agreed",
            vec![HearTwo, say("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), Finish],
            &lax,
            WRONG,
        ),
        ("no frame at all", vec![HearTwo, Wait], &late, LATE),
        ("settings and no more", vec![HearTwo, begin(), Wait], &late, LATE),
        (
            "a flood of SETTINGS",
            vec![HearTwo, begin(), flood(frame(SETTINGS, 0, 0, &[]).repeat(100))],
            &late,
            LATE,
        ),
        (
            "a flood of PING",
            vec![HearTwo, begin(), flood(frame(PING, 0, 0, &[7; 8]).repeat(100))],
            &late,
            LATE,
        ),
        (
            "a flood of 103",
            vec![
                HearTwo,
                begin(),
                flood(frame(HEADERS, END_HEADERS, 1, &field(":status", "103")).repeat(100)),
            ],
            &late,
            LATE,
        ),
        (
            "empty DATA without end",
            vec![HearTwo, begin(), say(&ok), flood(frame(DATA, 0, 1, &[]).repeat(100))],
            &lax,
            WRONG,
        ),
        (
            "a body that never ends",
            vec![HearTwo, begin(), say(&ok), say(frame(DATA, 0, 1, b"x")), Wait],
            &late,
            LATE,
        ),
    ] {
        let address = wire::within_tls(acceptor.clone(), steps).await;
        let name = format!("HTTP/2: {name}");
        put(
            cases,
            &name,
            format!("https://localhost:{}/", address.port()),
            fields.clone(),
            expected,
        );
    }
}
