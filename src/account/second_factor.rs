//! The second factor: codes of an authenticator (TOTP, RFC 6238), and recovery codes for when it is lost.

use qrcode::QrCode;
use qrcode::render::svg;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, TOTP};

use super::{Error, Result};
use crate::clock::Timestamp;
use crate::fields::FieldErrors;
use crate::seal::{self, Sealer};
use crate::store::{self, Conn, Db, second_factors, sessions};

/// Seconds that one code lasts.
const STEP_SECONDS: u64 = 30;
/// Steps before and after the present one whose code counts too: clocks differ.
const SKEW: u64 = 1;
/// Bytes of a secret (RFC 4226, section 4, R6: 160 bits).
const SECRET_BYTES: usize = 20;
/// Recovery codes that a user gets.
const RECOVERY_CODES: usize = 10;
/// No vowels, which would spell words, and nothing that looks like another.
const RECOVERY_LETTERS: &[u8; 24] = b"bcdfghjkmnpqrstvwxz23456";

/// What an authenticator is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The secret, in groups of four letters, to be typed.
    pub secret: String,
    /// The same as an `otpauth` URI.
    pub url: String,
    /// The same as a picture to be scanned: an SVG.
    pub qr: String,
}

/// Whether, and how, a user has a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// None.
    Off,
    /// One that does not count until its first code is shown.
    Begun(Box<Enrolment>),
    /// One that counts.
    On {
        /// Recovery codes that are left.
        recovery_codes: i64,
    },
}

fn totp(secret: &[u8], email: &str) -> Result<TOTP> {
    // A colon would part the issuer from the account.
    let account = email.replace(':', " ");
    let issuer = Some("Watchbell".to_owned());
    TOTP::new(Algorithm::SHA1, 6, 1, STEP_SECONDS, secret.to_vec(), issuer, account)
        .map_err(|error| Error::Hash(error.to_string()))
}

/// The step whose code this is, if it is one of those about `now`. Pure.
fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Result<Option<i64>> {
    let totp = totp(secret, "")?;
    let present = u64::try_from(now.0 / 1000).unwrap_or_default() / STEP_SECONDS;
    let steps = present.saturating_sub(SKEW)..=present.saturating_add(SKEW);
    // All are compared, so that the time that it takes tells nothing.
    let mut found = None;
    for step in steps {
        let expected = totp.generate(step.saturating_mul(STEP_SECONDS));
        if bool::from(expected.as_bytes().ct_eq(code.as_bytes())) {
            found = i64::try_from(step).ok();
        }
    }
    Ok(found)
}

/// Begins: puts down a new secret that does not count yet.
///
/// # Errors
/// [`Error::Conflict`] when the user has a second factor already.
pub async fn begin(db: &Db, sealer: &Sealer, user_id: i64) -> Result<()> {
    let secret: [u8; SECRET_BYTES] = seal::random_bytes();
    let sealed = sealer.seal(&secret).map_err(store::Error::from)?;
    let mut tx = db.begin().await?;
    if !second_factors::put(&mut tx.conn(), user_id, &sealed).await? {
        return Err(Error::Conflict("two-factor sign-in is on already".to_owned()));
    }
    Ok(tx.commit().await?)
}

/// How a user stands; what an authenticator is given, while it is begun.
///
/// # Errors
/// When the database fails, or the secret was sealed with another key.
pub async fn standing(db: &Db, sealer: &Sealer, user_id: i64, email: &str) -> Result<Standing> {
    let mut reader = db.read().await?;
    let conn = &mut reader.conn();
    let Some(stored) = second_factors::get(conn, user_id).await? else { return Ok(Standing::Off) };
    if stored.confirmed_at.is_some() {
        let recovery_codes = second_factors::count_recovery_codes(conn, user_id).await?;
        return Ok(Standing::On { recovery_codes });
    }
    let secret = sealer.open(&stored.sealed_secret).map_err(store::Error::from)?;
    let totp = totp(&secret, email)?;
    let url = totp.get_url();
    let text = totp.get_secret_base32();
    let groups: Vec<String> =
        text.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let qr = QrCode::new(&url).map_err(|error| Error::Hash(error.to_string()))?;
    // Without its declaration it stands in a page.
    let drawn = qr.render::<svg::Color<'_>>().min_dimensions(180, 180).build();
    let qr = drawn.find("<svg").map_or_else(String::new, |at| drawn[at..].to_owned());
    Ok(Standing::Begun(Box::new(Enrolment { secret: groups.join(" "), url, qr })))
}

/// Whether a user must show a code to get in.
///
/// # Errors
/// When the database fails.
pub async fn is_on(conn: &mut Conn<'_>, user_id: i64) -> Result<bool> {
    let stored = second_factors::get(conn, user_id).await?;
    Ok(stored.is_some_and(|stored| stored.confirmed_at.is_some()))
}

/// Lets the second factor count once its first code is shown, and ends every session of the user. Gives the recovery codes, which
/// cannot be read again.
///
/// # Errors
/// [`Error::Fields`] for a wrong code; [`Error::Conflict`] when there is nothing to confirm.
pub async fn confirm(
    db: &Db,
    sealer: &Sealer,
    user_id: i64,
    code: &str,
    now: Timestamp,
) -> Result<Vec<String>> {
    let nothing = || Error::Conflict("there is nothing to confirm; begin again".to_owned());
    let mut tx = db.begin().await?;
    let conn = &mut tx.conn();
    let stored = second_factors::get(conn, user_id).await?.ok_or_else(nothing)?;
    let secret = sealer.open(&stored.sealed_secret).map_err(store::Error::from)?;
    let step = step_of(&secret, &spaceless(code), now)?.ok_or_else(|| {
        FieldErrors::one("code", "is not the code of this moment: type the six digits that the app shows, and look at its clock")
    })?;
    if !second_factors::confirm(conn, user_id, now).await? {
        return Err(nothing());
    }
    second_factors::take_step(conn, user_id, step).await?;
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let hashes: Vec<[u8; 32]> = codes.iter().map(|code| hash(code)).collect();
    second_factors::set_recovery_codes(conn, user_id, &hashes).await?;
    sessions::remove_of_user(conn, user_id).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Takes a code, or a recovery code, of a user: each counts once. Whether it was right.
///
/// # Errors
/// When the database fails.
pub async fn take(
    db: &Db,
    sealer: &Sealer,
    user_id: i64,
    code: &str,
    now: Timestamp,
) -> Result<bool> {
    let code = spaceless(code);
    let mut tx = db.begin().await?;
    let conn = &mut tx.conn();
    let Some(stored) = second_factors::get(conn, user_id).await? else { return Ok(false) };
    let secret = sealer.open(&stored.sealed_secret).map_err(store::Error::from)?;
    let taken = match step_of(&secret, &code, now)? {
        Some(step) => second_factors::take_step(conn, user_id, step).await?,
        None => second_factors::take_recovery_code(conn, user_id, &hash(&code)).await?,
    };
    tx.commit().await?;
    Ok(taken)
}

/// Gives up a second factor that does not count yet. No session ends by it.
///
/// # Errors
/// When the database fails.
pub async fn give_up(db: &Db, user_id: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    if !is_on(&mut tx.conn(), user_id).await? {
        second_factors::remove(&mut tx.conn(), user_id).await?;
    }
    Ok(tx.commit().await?)
}

/// Takes the second factor away, by its user or an admin, and ends every session of the user. Whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn remove(db: &Db, user_id: i64) -> Result<bool> {
    let mut tx = db.begin().await?;
    let removed = second_factors::remove(&mut tx.conn(), user_id).await?;
    if removed {
        sessions::remove_of_user(&mut tx.conn(), user_id).await?;
    }
    tx.commit().await?;
    Ok(removed)
}

/// A code as it is compared: people leave spaces and hyphens in, and write small or large.
fn spaceless(code: &str) -> String {
    let kept = code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64);
    kept.flat_map(char::to_lowercase).collect()
}

/// Sixteen letters in four groups: 73 bits.
fn recovery_code() -> String {
    let mut letters = String::new();
    while letters.len() < 19 {
        // Beyond the last whole round of letters some would come more often than others.
        let round = u8::try_from(RECOVERY_LETTERS.len()).unwrap_or(1);
        let [byte] = seal::random_bytes::<1>();
        if byte >= u8::MAX / round * round {
            continue;
        }
        letters.push(char::from(RECOVERY_LETTERS[usize::from(byte % round)]));
        if matches!(letters.len(), 4 | 9 | 14) {
            letters.push('-');
        }
    }
    letters
}

fn hash(code: &str) -> [u8; 32] {
    seal::hash_token(&spaceless(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, cut to six digits; the secret is its ASCII one.
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let at = |s: i64| step_of(secret, code, Timestamp(s * 1000)).unwrap();
            let own = Some(seconds / 30);
            assert_eq!(at(seconds), own);
            assert_eq!((at(seconds - 30), at(seconds + 30)), (own, own), "clocks differ");
            // Nobody's clock stands before 1970.
            let mut strangers = [seconds - 60, seconds + 60].into_iter().filter(|s| *s >= 0);
            assert!(strangers.all(|s| at(s).is_none()));
        }
        for wrong in ["", "28708", "2870820", "287083", "２８７０８２"] {
            assert_eq!(step_of(secret, wrong, Timestamp(59_000)).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn recovery_codes_are_long_and_read_in_any_form() {
        let code = recovery_code();
        assert_eq!((code.len(), code.matches('-').count()), (19, 3), "{code}");
        assert_ne!(code, recovery_code());
        assert_eq!(hash(&code), hash(&format!(" {} ", code.to_uppercase().replace('-', " "))));
        assert_ne!(hash(&code), hash(&code[1..]));
    }
}
