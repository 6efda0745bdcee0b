//! What a browser sends. Of a page's address what does not fit is left out, as people mistype addresses and cut them off.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use super::form::Input;

/// What a page's address asks for. Of a name that is there twice the last value that fits counts; what does not fit is as if it were
/// not there. Each field of `T` must have a default.
pub struct PageQuery<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest for PageQuery<T> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(read(req.query_string()))))
    }
}

impl FromRequest for Input {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let posted = web::Form::<Vec<(String, String)>>::from_request(req, payload);
        Box::pin(async move { Ok(Self(posted.await?.into_inner())) })
    }
}

fn read<T: DeserializeOwned + Default>(query: &str) -> T {
    let mut fitting: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        if parse::<T>([(&name, &value)]).is_some() {
            fitting.insert(name, value);
        }
    }
    parse(&fitting).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(
    pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> Option<T> {
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    web::Query::from_query(&text).ok().map(web::Query::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Asked {
        series: String,
        show: Option<i64>,
    }

    #[test]
    fn the_last_value_that_fits_counts_and_the_others_do_not() {
        for (query, series, show) in [
            ("", "", None),
            ("series=phase&series=region&show=50", "region", Some(50)),
            ("show=abc&series=a%20b", "a b", None),
            ("show=50&show=abc", "", Some(50)),
            ("show=&nonsense&=&show=99999999999999999999&%ff=%ff", "", None),
        ] {
            assert_eq!(read::<Asked>(query), Asked { series: series.to_owned(), show }, "{query}");
        }
    }
}
