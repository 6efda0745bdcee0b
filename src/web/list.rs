//! Lists: the query of a request, and one page of an answer.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;

use super::error::ApiError;
use crate::fields::FieldErrors;

/// Rows of a page when the request does not say.
pub const PER_PAGE_DEFAULT: i64 = 20;
/// The most rows of a page.
pub const PER_PAGE_MAX: i64 = 200;

/// A page that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1.
    pub current_page: i64,
    /// Its rows.
    pub per_page: i64,
}

impl Page {
    /// How many rows to read.
    pub fn limit(self) -> i64 {
        self.per_page
    }

    /// How many rows to skip. A page beyond all numbers is past the end of every list.
    pub fn offset(self) -> i64 {
        (self.current_page - 1).saturating_mul(self.per_page)
    }

    /// The answer: these rows of `total`.
    pub fn answer(self, rows: impl Serialize, total: i64) -> HttpResponse {
        let Self { current_page, per_page } = self;
        HttpResponse::Ok().json(json!({
            "data": rows,
            "meta": { "current_page": current_page, "per_page": per_page, "total": total },
        }))
    }
}

/// The query of a request. Ask for each known parameter, then call [`Query::finish`]: a mistyped filter must not
/// silently show everything.
pub struct Query {
    given: BTreeMap<String, String>,
    errors: FieldErrors,
}

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(req.query_string())))
    }
}

impl Query {
    fn parse(query: &str) -> Self {
        let given = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { given, errors: FieldErrors::default() }
    }

    /// A text; an empty one is absent, as forms send it so.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.given.remove(name).filter(|text| !text.is_empty())?;
        if text.contains('\0') {
            self.errors.add(name, "must not contain the NUL character");
            return None;
        }
        Some(text)
    }

    /// A fixed word.
    pub fn word<T: FromStr<Err = String>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|reason| self.errors.add(name, reason)).ok()
    }

    /// The number of something.
    pub fn id(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let id = text.parse().ok().filter(|id| *id > 0);
        if id.is_none() {
            self.errors.add(name, "must be a number");
        }
        id
    }

    /// `page` and `per_page`.
    pub fn page(&mut self) -> Page {
        Page {
            current_page: self.number("page", 1, i64::MAX),
            per_page: self.number("per_page", PER_PAGE_DEFAULT, PER_PAGE_MAX),
        }
    }

    fn number(&mut self, name: &str, default: i64, max: i64) -> i64 {
        let Some(text) = self.text(name) else { return default };
        match text.parse() {
            Ok(number) if (1..=max).contains(&number) => number,
            _ if max == i64::MAX => {
                self.errors.add(name, "must be a whole number from 1");
                default
            }
            _ => {
                self.errors.add(name, format!("must be a whole number from 1 to {max}"));
                default
            }
        }
    }

    /// Ends the reading: unknown parameters are wrong too.
    ///
    /// # Errors
    /// 422 with everything that is wrong.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in self.given.keys() {
            self.errors.add(name, "is not a parameter here");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page, ApiError> {
        let mut query = Query::parse(query);
        let page = query.page();
        query.finish().map(|()| page)
    }

    #[test]
    fn pages_are_numbered_from_one_and_bounded() {
        let first = Page { current_page: 1, per_page: 20 };
        assert_eq!(page("").unwrap(), first);
        assert_eq!(page("page=&per_page=").unwrap(), first);
        assert_eq!(page("page=3&per_page=200").unwrap().offset(), 400);
        assert_eq!(page(&format!("page={}", i64::MAX)).unwrap().offset(), i64::MAX);
        for wrong in ["page=0", "page=-1", "page=x", "per_page=0", "per_page=201", "pages=1"] {
            assert!(page(wrong).is_err(), "{wrong}");
        }
        assert!(page("page=99999999999999999999").is_err());
    }
}
