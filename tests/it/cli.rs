//! The commands, as somebody types them, on a database of their own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::binary::program;

struct Shell {
    folder: TempDir,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Shell {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Runs `watchbell` with this on its stdin.
    fn run(&self, args: &[&str], stdin: &str) -> Ran {
        let url = format!("sqlite://{}/deep/test.db", self.folder.path().display());
        let mut child = Command::new(program())
            .args(args)
            .env("WATCHBELL_DATABASE_URL", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that needs nothing of it has closed it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn ok(&self, args: &[&str], stdin: &str) -> String {
        let ran = self.run(args, stdin);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        ran.out
    }

    /// What a refused command says: one line, and exit code 2.
    fn refused(&self, args: &[&str], stdin: &str) -> String {
        let ran = self.run(args, stdin);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}: {}", ran.err);
        ran.err
    }
}

#[test]
fn users_are_added_listed_and_given_passwords() {
    let shell = Shell::new();
    shell.ok(&["user", "add", "Ann@example.com", "--role", "admin"], "correct horse\nmore\n");
    shell.ok(&["user", "add", "bob@example.com"], "correct horse");
    let list = shell.ok(&["user", "list"], "");
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("1\tAnn@example.com\tadmin\t"), "{list}");
    assert!(lines[1].starts_with("2\tbob@example.com\tviewer\t"), "{list}");
    assert_eq!(lines.len(), 2);
    shell.ok(&["user", "passwd", "ann@EXAMPLE.com"], "another horse\n");
    for (args, stdin, words) in [
        (&["user", "add", "ann@example.com"][..], "correct horse", "already"),
        (&["user", "add", "nobody"], "correct horse", "not an e-mail address"),
        (&["user", "add", "c@example.com"], "short\n", "at least 8"),
        (&["user", "add", "c@example.com"], "", "password is missing"),
        (&["user", "add", "c@example.com", "--role", "god"], "x", "viewer, editor, admin"),
        (&["user", "passwd", "c@example.com"], "correct horse", "no user c@example.com"),
        (&["user", "add", "c@example.com", "--password", "correct horse"], "", "--password"),
    ] {
        let line = shell.refused(args, stdin);
        assert!(line.contains(words), "{args:?}: {line}");
    }
    assert_eq!(shell.ok(&["user", "list"], "").lines().count(), 2, "nothing was half done");
}

#[test]
fn a_new_token_stands_alone_on_stdout() {
    let shell = Shell::new();
    let out = shell.ok(&["token", "create", "ci\tpipeline", "--role", "editor"], "");
    let secret = out.strip_suffix('\n').unwrap();
    assert!(
        secret.starts_with("wbt_") && secret.len() > 40 && !secret.contains(char::is_whitespace)
    );
    let list = shell.ok(&["token", "list"], "");
    assert!(
        list.starts_with("1\tci pipeline\teditor\t") && list.ends_with("never used\n"),
        "{list}"
    );
    assert!(!list.contains(secret));
    shell.ok(&["token", "revoke", "1"], "");
    assert_eq!(shell.ok(&["token", "list"], ""), "");
    for (args, words) in [
        (&["token", "revoke", "1"][..], "no such token"),
        (&["token", "revoke", "x"], "invalid value"),
        (&["token", "create", ""], "name is missing"),
        (&["token", "create"], "<NAME>"),
        (&["token"], "Usage"),
    ] {
        let line = shell.refused(args, "");
        assert!(line.contains(words), "{args:?}: {line}");
    }
}
