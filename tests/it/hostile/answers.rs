//! Answers over a plain connection: too slow, without end, broken off, and not of HTTP.

use super::wire::Step::{Finish, Hear, Reset, Settle, Take, Wait};
use super::wire::{answer, flood, say, trickle};
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\n";
/// The whole of a good answer.
const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BAD_STATUS: Expected =
    Down(ErrorKind::InvalidResponse, "the status code of the answer is not valid");
/// 64 MiB of zeros in brotli.
const BROTLI_BOMB: &str = "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfbfffcffffc73f0110870500baf7ff";

/// Adds all of this file.
pub async fn add_all(cases: &mut Vec<Case>) {
    add_slow(cases).await;
    add_endless(cases).await;
    add_bombs(cases).await;
    add_broken_off(cases).await;
    add_no_http(cases).await;
    add_bad_framing(cases).await;
    add_odd_but_right(cases).await;
}

fn ok(rest: &str) -> String {
    format!("{OK}{rest}")
}

async fn add_slow(cases: &mut Vec<Case>) {
    for (name, steps) in [
        ("accepts and says nothing", vec![Wait]),
        ("hears and says nothing", vec![Hear, Wait]),
        ("slow loris: a header line now and then", vec![Hear, say(OK), trickle("X: y\r\n")]),
        ("slow loris: one header letter by letter", vec![Hear, say(ok("X: ")), trickle("y")]),
        (
            "one byte of a body now and then",
            vec![Hear, say(ok("Content-Length: 99999\r\n\r\n")), trickle("x")],
        ),
        (
            "one chunk now and then",
            vec![Hear, say(ok("Transfer-Encoding: chunked\r\n\r\n")), trickle("1\r\nx\r\n")],
        ),
        (
            "the size of a chunk digit by digit",
            vec![Hear, say(ok("Transfer-Encoding: chunked\r\n\r\n")), trickle("0")],
        ),
        ("a body without a length that never ends", vec![Hear, say(ok("\r\nthat is all")), Wait]),
        (
            "less body than it said, and open",
            vec![Hear, say(ok("Content-Length: 9\r\n\r\nabc")), Wait],
        ),
        ("100 Continue and no more", vec![Hear, say("HTTP/1.1 100 Continue\r\n\r\n"), Wait]),
        ("a flood of 103", vec![Hear, flood("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")]),
        ("a trickle of 102", vec![Hear, trickle("HTTP/1.1 102 Processing\r\n\r\n")]),
    ] {
        add(cases, name, steps, in_a_second(), LATE).await;
    }
    let slow_failure = vec![Hear, say("HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n"), Wait];
    let expected = Down(ErrorKind::Status, "status 503");
    add(cases, "503 with a body that hangs", slow_failure, json!({"timeout_seconds": 5}), expected)
        .await;
}

async fn add_endless(cases: &mut Vec<Case>) {
    let mebibyte = vec![b'x'; 1 << 20];
    for (name, rest, piece, expected) in [
        ("header fields without end", "", "X-Y: z\r\n".repeat(1000).into_bytes(), TOO_LARGE),
        ("a header line without end", "X: ", vec![b'x'; 65536], TOO_LARGE),
        ("a reason without end", "", vec![b'x'; 65536], TOO_LARGE),
        ("a body without end", "\r\n", vec![b'x'; 65536], Up),
        ("a length of an exabyte", "Content-Length: 1000000000000000000\r\n\r\n", mebibyte, Up),
        (
            "chunks without end",
            "Transfer-Encoding: chunked\r\n\r\n",
            b"10\r\n0123456789abcdef\r\n".repeat(1000),
            Up,
        ),
        (
            "an extension of a chunk without end",
            "Transfer-Encoding: chunked\r\n\r\n1;",
            vec![b'x'; 65536],
            BAD_BODY,
        ),
        (
            "extensions of chunks without end",
            "Transfer-Encoding: chunked\r\n\r\n",
            [b"1;".to_vec(), vec![b'x'; 1000], b"\r\nx\r\n".to_vec()].concat().repeat(60),
            BAD_BODY,
        ),
        (
            "trailers without end",
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            b"X-Y: z\r\n".repeat(1000),
            BAD_BODY,
        ),
    ] {
        let head = match name {
            "a reason without end" => OK.trim_end().to_owned(),
            _ => ok(rest),
        };
        add(cases, name, vec![Hear, say(head), flood(piece)], json!({}), expected).await;
    }
    let lines = vec![Hear, flood("\r\n".repeat(1000))];
    add(cases, "empty lines without end", lines, json!({}), TOO_LARGE).await;
    let unfound = Down(ErrorKind::Keyword, "keyword \"yes\" is missing");
    let body = vec![Hear, say(ok("\r\n")), flood([0xff; 65536])];
    add(cases, "a keyword in a body without end", body, json!({"keyword": "yes"}), unfound).await;
    let header = ok(&format!("X: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(10_000_000)));
    add(cases, "a header of 10 MB", answer(header), json!({}), TOO_LARGE).await;
    let fields = ok(&format!("{}Content-Length: 2\r\n\r\nok", "X: y\r\n".repeat(100)));
    add(cases, "101 header fields", answer(fields), json!({}), TOO_LARGE).await;
    let reason = format!("HTTP/1.1 200 {}\r\nContent-Length: 2\r\n\r\nok", "very ".repeat(20_000));
    add(cases, "a reason of 100 kB", answer(reason), json!({}), Up).await;
}

async fn add_bombs(cases: &mut Vec<Case>) {
    let keyword = json!({"keyword": "yes"});
    let unfound = Down(ErrorKind::Keyword, "keyword \"yes\" is missing");
    // A full flush ends on a byte and forgets what was before: the piece can be repeated for ever.
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let mut zeros = Vec::with_capacity(1 << 16);
    deflate.compress_vec(&vec![0; 1 << 18], &mut zeros, flate2::FlushCompress::Full).unwrap();
    let gzip_head = [
        &ok("Content-Encoding: gzip\r\n\r\n").into_bytes()[..],
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
    ]
    .concat();
    let bomb = vec![Hear, say(&gzip_head), flood(&zeros)];
    add(cases, "a gzip bomb without end", bomb, keyword.clone(), unfound).await;
    let name = vec![
        Hear,
        say(ok("Content-Encoding: gzip\r\n\r\n")),
        say([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]),
        flood(vec![b'n'; 65536]),
    ];
    add(cases, "a gzip with a file name without end", name, in_a_second(), LATE).await;
    let brotli: Vec<u8> = (0..BROTLI_BOMB.len() / 2)
        .map(|at| u8::from_str_radix(&BROTLI_BOMB[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    let bomb = [
        ok(&format!("Content-Encoding: br\r\nContent-Length: {}\r\n\r\n", brotli.len()))
            .into_bytes(),
        brotli,
    ]
    .concat();
    add(cases, "a brotli bomb", answer(bomb), keyword, unfound).await;
    for (name, body) in [
        ("a JSON of many small objects", r#"{"":0},"#.repeat(149_000)),
        ("a JSON of many numbers", "0,".repeat(520_000)),
        ("a JSON of many empty lists", "[],".repeat(340_000)),
        ("a JSON of a hundred thousand brackets", "[".repeat(100_000)),
    ] {
        let body = format!(r#"{{"checks":{{}},"a":[{}0]}}"#, body);
        let head = ok(&format!("Content-Length: {}\r\n\r\n", body.len()));
        add(cases, name, answer(format!("{head}{body}")), json!({}), Up).await;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &b"0123456789".repeat(1000)).unwrap();
    let whole = gzip.finish().unwrap();
    let mut forged = whole.clone();
    let at = forged.len() - 8;
    forged[at] ^= 1;
    let lengthy = |encoding: &str, body: &[u8]| {
        let head =
            ok(&format!("Content-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len()));
        answer([head.as_bytes(), body].concat())
    };
    for (name, steps, expected) in [
        ("gzip that is none", lengthy("gzip", b"not gzip!"), BAD_BODY),
        ("gzip with a wrong sum", lengthy("gzip", &forged), BAD_BODY),
        ("half a gzip", lengthy("gzip", &whole[..whole.len() / 2]), BAD_BODY),
        ("gzip with more after it", lengthy("gzip", &[&whole[..], b"more"].concat()), Up),
        ("brotli that is none", lengthy("br", &[0x7f; 9]), BAD_BODY),
        ("an encoding that nobody asked for", lengthy("zstd", b"as it is"), Up),
        ("deflate that is none, unasked", lengthy("deflate", b"as it is"), Up),
        ("no body where gzip was said", lengthy("gzip", b""), Up),
    ] {
        add(cases, name, steps, json!({}), expected).await;
    }
}

async fn add_broken_off(cases: &mut Vec<Case>) {
    const PARTS: [(&str, &str); 6] = [
        ("in the status line", "HTTP/1.1 200"),
        ("in the header", "HTTP/1.1 200 OK\r\nX: y\r\n"),
        ("in a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ("in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        (
            "before the last chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        ),
        ("after 100 Continue", "HTTP/1.1 100 Continue\r\n\r\n"),
    ];
    for (name, part) in PARTS {
        add(cases, &format!("closed {name}"), answer(part), json!({}), CUT).await;
        let steps = vec![Hear, say(part), Settle, Reset];
        add(cases, &format!("reset {name}"), steps, json!({}), RESET).await;
    }
    for (name, steps, expected) in [
        ("closed without a word", vec![Finish], CUT),
        ("closed once it has heard", vec![Hear, Finish], CUT),
        ("closed in the middle of hearing, with all unread", vec![Take], CUT),
        ("reset at once", vec![Reset], RESET),
        ("reset once it has heard", vec![Hear, Reset], RESET),
        (
            "half closed before it hears",
            vec![say("HTTP/1.1 2"), Finish],
            Expected::Either(&[CUT, EARLY]),
        ),
    ] {
        add(cases, name, steps, json!({}), expected).await;
    }
    let refused = Down(ErrorKind::Refused, "connection refused");
    put(cases, "a closed port", format!("http://{}/", wire::closed()), json!({}), refused);
    let nowhere = Down(ErrorKind::Dns, "could not resolve nowhere.invalid");
    put(cases, "a name that is none", "http://nowhere.invalid/".to_owned(), json!({}), nowhere);
}

const EARLY: Expected = Down(ErrorKind::InvalidResponse, "the server spoke before it was asked");

async fn add_no_http(cases: &mut Vec<Case>) {
    for (name, text, expected) in [
        ("HTTP/0.9", "<html>it works</html>", NOT_HTTP),
        ("the banner of SSH", "SSH-2.0-OpenSSH_9.6\r\n", NOT_HTTP),
        ("a TLS alert at a plain port", "\x15\x03\x03\x00\x02\x02\x46", NOT_HTTP),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NOT_HTTP),
        ("HTTP/3.7", "HTTP/3.7 200 OK\r\n\r\n", NOT_HTTP),
        ("ICY", "ICY 200 OK\r\n\r\n", NOT_HTTP),
        ("status abc", "HTTP/1.1 abc OK\r\n\r\n", BAD_STATUS),
        ("status 99", "HTTP/1.1 99 OK\r\n\r\n", BAD_STATUS),
        ("status 099", "HTTP/1.1 099 OK\r\n\r\n", BAD_STATUS),
        ("status 1000", "HTTP/1.1 1000 OK\r\n\r\n", BAD_STATUS),
        ("status -1", "HTTP/1.1 -1 OK\r\n\r\n", BAD_STATUS),
        (
            "status 999",
            "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
            Down(ErrorKind::Status, "status 999"),
        ),
        (
            "101 Switching Protocols",
            "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            Down(ErrorKind::Status, "status 101"),
        ),
        ("a NUL in a header's value", "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", BAD_HEADER),
        ("a NUL in a header's name", "HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n", BAD_HEADER),
        ("a NUL before the answer", "\0HTTP/1.1 200 OK\r\n\r\n", NOT_HTTP),
        ("a header without a colon", "HTTP/1.1 200 OK\r\nAb\r\n\r\n", BAD_HEADER),
        ("a space in a header's name", "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", BAD_HEADER),
        ("a header without a name", "HTTP/1.1 200 OK\r\n: c\r\n\r\n", BAD_HEADER),
    ] {
        add(cases, name, answer(text), json!({}), expected).await;
    }
}

async fn add_bad_framing(cases: &mut Vec<Case>) {
    let bad_encoding =
        Down(ErrorKind::InvalidResponse, "the transfer-encoding of the answer is not valid");
    for (name, rest, expected) in [
        ("a length of x", "Content-Length: x\r\n\r\n", BAD_LENGTH),
        ("a length of -1", "Content-Length: -1\r\n\r\nok", BAD_LENGTH),
        ("a length of +2", "Content-Length: +2\r\n\r\nok", BAD_LENGTH),
        (
            "a length beyond 64 bits",
            "Content-Length: 99999999999999999999999\r\n\r\nok",
            BAD_LENGTH,
        ),
        ("two different lengths", "Content-Length: 1\r\nContent-Length: 2\r\n\r\nok", BAD_LENGTH),
        ("two lengths in a list", "Content-Length: 1, 2\r\n\r\nok", BAD_LENGTH),
        ("more length than body", "Content-Length: 20\r\n\r\nok", CUT),
        ("a chunk of zz bytes", "Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", BAD_BODY),
        ("a chunk of -1 bytes", "Transfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n", BAD_BODY),
        (
            "a chunk beyond 64 bits",
            "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n",
            BAD_BODY,
        ),
        ("a chunk of 8 EB", "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nab\r\n", CUT),
        (
            "a chunk longer than it said",
            "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
            BAD_BODY,
        ),
        (
            "a trailer that is none",
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\0\r\n\r\n",
            BAD_BODY,
        ),
        ("an encoding that does not end in chunked", "Transfer-Encoding: gzip\r\n\r\nok", Up),
    ] {
        add(cases, name, answer(ok(rest)), json!({}), expected).await;
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    add(cases, "chunks in HTTP/1.0", answer(old), json!({}), bad_encoding).await;
}

async fn add_odd_but_right(cases: &mut Vec<Case>) {
    for (name, steps) in [
        ("open after a whole answer", vec![Hear, say(FINE), Wait]),
        (
            "open after the last chunk",
            vec![Hear, say(ok("Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")), Wait],
        ),
        ("reset after a whole answer", vec![Hear, say(FINE), Settle, Reset]),
        ("a flood after a whole answer", vec![Hear, say(FINE), flood([b'x'; 65536])]),
        ("the answer twice", answer(FINE.repeat(2))),
        ("HTTP/1.0 until the end", answer("HTTP/1.0 200 OK\r\n\r\nuntil the end")),
        (
            "a few early hints",
            answer(format!("{}{FINE}", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20))),
        ),
        ("the same length twice", answer(ok("Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"))),
        (
            "a length beside chunks",
            answer(ok(
                "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            )),
        ),
        (
            "a chunk with an extension",
            answer(ok("Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n")),
        ),
        (
            "chunks with trailers",
            answer(ok("Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n")),
        ),
        ("204 with a body", answer("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc")),
        ("204 with gzip and none", answer("HTTP/1.1 204 No\r\nContent-Encoding: gzip\r\n\r\n")),
        ("a header over two lines", answer(ok("X: a\r\n b\r\nContent-Length: 2\r\n\r\nok"))),
        ("lines without a carriage return", answer("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")),
        ("no reason", answer("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")),
        ("no reason and no space", answer("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")),
        (
            "bytes beyond ASCII in a header",
            answer([OK.as_bytes(), b"X: \xff\xfe\r\nContent-Length: 0\r\n\r\n"].concat()),
        ),
        (
            "a type that lies",
            answer(ok("Content-Type: image/png;;;=\r\nContent-Length: 2\r\n\r\nok")),
        ),
    ] {
        add(cases, name, steps, json!({}), Up).await;
    }
    for (name, text) in [
        (
            "HEAD with a length",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n",
        ),
        ("HEAD with a body", FINE),
    ] {
        add(cases, name, vec![Hear, say(text), Wait], json!({"method": "HEAD"}), Up).await;
    }
    let tunnel = json!({"method": "CONNECT"});
    add(cases, "CONNECT with an answer", answer(FINE), tunnel, Up).await;
    let unchanged = "HTTP/1.1 304 Same\r\nContent-Length: 100\r\n\r\n";
    let fields = json!({"expected_status": "304"});
    add(cases, "304 with a length", vec![Hear, say(unchanged), Wait], fields, Up).await;
    let early = vec![say(FINE), Wait];
    add(cases, "an answer before the request", early, json!({}), Expected::Either(&[Up, EARLY]))
        .await;
}
