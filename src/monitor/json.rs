//! JSON of strangers, read only while it stays small in memory. Pure.
//!
//! A mebibyte of `[{"":0},{"":0},…]` becomes a hundred of them once it is a tree of values. So what it would
//! become is estimated from its signs first.

use serde_json::Value;

/// What an object takes at the least, in bytes: a node of its map holds eleven pairs, however few there are.
const OBJECT: usize = 700;
/// What a list takes at the least, in bytes.
const LIST: usize = 150;
/// What each further value takes, in bytes, while its list or map grows.
const VALUE: usize = 100;

/// About what `body` takes as a tree of values, in bytes; never much too little. Signs within texts are counted as well.
pub fn weight(body: &[u8]) -> usize {
    let of = |byte: &u8| match byte {
        b'{' => OBJECT,
        b'[' => LIST,
        b',' => VALUE,
        _ => 0,
    };
    body.len() + body.iter().map(of).sum::<usize>()
}

/// The value that `body` is; `None` when it is no JSON, nested deeper than serde_json goes (128), or would take more than
/// `most` bytes.
pub fn parse(body: &[u8], most: usize) -> Option<Value> {
    if weight(body) > most {
        return None;
    }
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let row = r#"{"id":17,"name":"A name of some length","state":"ok","tags":["a","b"]},"#;
        let body = format!("[{}0]", row.repeat(1000));
        assert!(parse(body.as_bytes(), 8 << 20).is_some_and(|value| value[999]["id"] == 17));
        assert_eq!(parse(b"{", 8 << 20), None);
    }

    #[test]
    fn what_swells_is_not() {
        for piece in [r#"{"":0},"#, "0,", "[],", "{},", r#""","#] {
            let body = format!("[{}0]", piece.repeat((1 << 20) / piece.len()));
            assert!(weight(body.as_bytes()) > 16 << 20, "{piece}");
            assert_eq!(parse(body.as_bytes(), 8 << 20), None, "{piece}");
        }
    }
}
