//! One request as a channel makes it, before anything is sent. Pure.

use serde_json::Value;
use url::Url;

use super::ChannelType;

crate::words! {
    /// How a channel is called.
    pub enum Method {
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// PATCH.
        Patch = "PATCH",
    }
}

/// An alert in the form of its channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Rendered {
    /// To be sent by mail to these addresses.
    Mail(Vec<String>),
    /// To be sent over HTTP.
    Http(Request),
}

/// One request, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose answers come back.
    pub kind: ChannelType,
    /// How.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers, names and values as they are sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A POST of JSON.
    pub fn json(kind: ChannelType, url: Url, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { kind, method: Method::Post, url, headers: Vec::new(), body }
            .header("content-type", "application/json")
    }

    /// With one header more.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With another method.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With the access token in the usual header.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }
}

/// The address of `path` on a server: under what path it may have of its own, each segment escaped.
pub fn at<'a>(server: &Url, path: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = server.clone();
    url.set_fragment(None);
    // Fails only for addresses without a host, which are refused when they are saved.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// The host of an address, for people.
pub fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

impl From<Request> for Rendered {
    fn from(request: Request) -> Self {
        Self::Http(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_under_the_servers_own_and_cannot_leave_it() {
        for (server, path, expected) in [
            ("https://push.example", vec!["message"], "https://push.example/message"),
            ("https://example.com/gotify/", vec!["message"], "https://example.com/gotify/message"),
            ("https://example.com/a#b", vec!["c"], "https://example.com/a/c"),
            (
                "https://m.example",
                vec!["rooms", "!a/b?c:m.example"],
                "https://m.example/rooms/!a%2Fb%3Fc:m.example",
            ),
        ] {
            assert_eq!(at(&server.parse().unwrap(), path).as_str(), expected);
        }
    }
}
