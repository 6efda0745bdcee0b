//! Redirects that lead nowhere, round in circles, and where nobody may go.

use super::wire::Step::{Finish, Hear, Take};
use super::wire::{answer, flood, say};
use super::*;

const LOST: Expected =
    Down(ErrorKind::InvalidResponse, "the redirect leads to an address that cannot be read");
const ROUND: Expected = Down(ErrorKind::TooManyRedirects, "too many redirects");

/// Adds all of this file.
pub async fn add_all(cases: &mut Vec<Case>) {
    let metadata =
        Down(ErrorKind::Blocked, "address 169.254.169.254 is not allowed by the egress rules");
    for (name, to, expected) in [
        ("to itself", "/".to_owned(), ROUND),
        ("to nothing", String::new(), ROUND),
        ("to a fragment", "#there".to_owned(), ROUND),
        (
            "to file:",
            "file:///etc/passwd".to_owned(),
            Down(ErrorKind::Blocked, "a redirect to file: is not allowed"),
        ),
        (
            "to gopher:",
            "gopher://127.0.0.1:6379/_x".to_owned(),
            Down(ErrorKind::Blocked, "a redirect to gopher: is not allowed"),
        ),
        (
            "to javascript:",
            "javascript:alert(1)".to_owned(),
            Down(ErrorKind::Blocked, "a redirect to javascript: is not allowed"),
        ),
        (
            "to data:",
            "data:text/plain,ok".to_owned(),
            Down(ErrorKind::Blocked, "a redirect to data: is not allowed"),
        ),
        ("to the metadata", "http://169.254.169.254/latest/".to_owned(), metadata),
        ("to the metadata in one number", "//2852039166/".to_owned(), metadata),
        ("to the metadata in octal", "//0251.0376.0251.0376/".to_owned(), metadata),
        ("to the metadata with a user", "http://a.example@169.254.169.254/".to_owned(), metadata),
        (
            "to the metadata in IPv6",
            "http://[::ffff:a9fe:a9fe]/".to_owned(),
            Down(
                ErrorKind::Blocked,
                "address ::ffff:169.254.169.254 is not allowed by the egress rules",
            ),
        ),
        (
            "to nobody's address",
            "http://0.0.0.0/".to_owned(),
            Down(ErrorKind::Blocked, "address 0.0.0.0 is not allowed by the egress rules"),
        ),
        (
            "to everybody's address",
            "http://255.255.255.255/".to_owned(),
            Down(ErrorKind::Blocked, "address 255.255.255.255 is not allowed by the egress rules"),
        ),
        (
            "to a name that is none",
            "http://nowhere.invalid/".to_owned(),
            Down(ErrorKind::Dns, "could not resolve nowhere.invalid"),
        ),
        (
            "to a closed port",
            format!("http://{}/", wire::closed()),
            Down(ErrorKind::Refused, "connection refused"),
        ),
        (
            "to port 0",
            "http://127.0.0.1:0/".to_owned(),
            Down(ErrorKind::Refused, "connection refused"),
        ),
        ("to port 99999", "http://127.0.0.1:99999/".to_owned(), LOST),
        ("to no host", "http://".to_owned(), LOST),
        ("to brackets", "http://[".to_owned(), LOST),
        ("to an address with a zone", "http://[fe80::1%25eth0]/".to_owned(), LOST),
        (
            "to a path of 100 kB",
            format!("/{}", "x".repeat(100_000)),
            Down(ErrorKind::InvalidResponse, "the address cannot be requested"),
        ),
        ("to an address of 10 MB", format!("/{}", "x".repeat(10_000_000)), TOO_LARGE),
        (
            "to https: at a plain port",
            format!(
                "https://{}/",
                wire::plain(vec![Take, say("HTTP/1.1 400 Bad\r\n\r\n"), Finish]).await
            ),
            Down(ErrorKind::Tls, "the server does not speak TLS"),
        ),
    ] {
        let text = format!("HTTP/1.1 302 Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        add(cases, &format!("a redirect {name}"), answer(text), json!({}), expected).await;
    }
    let longer = answer("HTTP/1.1 302 Go\r\nLocation: x/x/\r\nContent-Length: 0\r\n\r\n");
    add(cases, "a redirect that grows at each hop", longer, json!({}), ROUND).await;
    let nul = answer("HTTP/1.1 302 Go\r\nLocation: /\0\r\nContent-Length: 0\r\n\r\n");
    add(cases, "a redirect with a NUL", nul, json!({}), BAD_HEADER).await;
    let hanging = vec![Hear, say("HTTP/1.1 302 Go\r\nLocation: /\r\n\r\n"), flood([b'x'; 65536])];
    add(cases, "redirects with bodies without end", hanging, json!({}), ROUND).await;
    for (name, text, status) in [
        (
            "a redirect without an address",
            "HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n",
            "status 302",
        ),
        (
            "300 with an address",
            "HTTP/1.1 300 Choose\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            "status 300",
        ),
        ("304 with an address", "HTTP/1.1 304 Same\r\nLocation: /\r\n\r\n", "status 304"),
        (
            "305 to a proxy",
            "HTTP/1.1 305 Proxy\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "status 305",
        ),
    ] {
        add(cases, name, answer(text), json!({}), Down(ErrorKind::Status, status)).await;
    }
}
