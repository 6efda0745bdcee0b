//! The address of a mail server as it is shown and typed again: its password is write-only. Pure.

use url::Url;

use crate::monitor::header::SECRET_MASK;

/// The address of a mail server with its password masked.
pub fn masked(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        // There may be a password in what cannot be read.
        return if url.is_empty() { String::new() } else { SECRET_MASK.to_owned() };
    };
    if parsed.password().is_none() {
        return url.to_owned();
    }
    // Fails only for addresses that cannot have a password.
    let _ = parsed.set_password(Some(SECRET_MASK));
    parsed.to_string()
}

/// The address that was typed, with the stored password in the place of the mask. A password is sent to no other server or user
/// than it was given for.
///
/// # Errors
/// Why the stored one cannot stand there.
pub fn with_password(typed: &str, stored: Option<&str>) -> Result<Option<String>, String> {
    if typed.is_empty() {
        return Ok(None);
    }
    let Ok(mut url) = Url::parse(typed) else { return Ok(Some(typed.to_owned())) };
    if url.password() != Some(SECRET_MASK) {
        return Ok(Some(typed.to_owned()));
    }
    let stored = stored.and_then(|stored| Url::parse(stored).ok());
    let same = |stored: &Url| {
        stored.host() == url.host()
            && stored.port() == url.port()
            && stored.username() == url.username()
    };
    let Some(password) =
        stored.filter(same).and_then(|stored| stored.password().map(str::to_owned))
    else {
        return Err("names another server or user: give the password anew".to_owned());
    };
    // Fails only for addresses that cannot have a password, and this one has.
    let _ = url.set_password(Some(&password));
    Ok(Some(url.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_and_kept_for_its_own_server_only() {
        let url = "smtps://bell:p%40ss@mail.example.com:465";
        let stored = Some(url);
        assert_eq!(masked(url), "smtps://bell:***@mail.example.com:465");
        assert_eq!(masked("smtp://localhost:25"), "smtp://localhost:25");
        assert_eq!(masked("no url: secret"), SECRET_MASK);
        let kept = with_password("smtps://bell:***@mail.example.com:465?x=1", stored);
        assert_eq!(kept.unwrap().unwrap(), "smtps://bell:p%40ss@mail.example.com:465?x=1");
        for other in [
            "smtps://bell:***@evil.example:465",
            "smtps://eve:***@mail.example.com:465",
            "smtps://bell:***@mail.example.com",
        ] {
            assert!(with_password(other, stored).is_err(), "{other}");
        }
        assert_eq!(with_password("", stored), Ok(None));
        assert_eq!(
            with_password("smtp://new:one@b.example", stored).unwrap().unwrap(),
            "smtp://new:one@b.example"
        );
    }
}
