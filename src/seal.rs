//! Secrets: sealing them at rest, making and hashing tokens, signing webhooks.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

const NONCE_BYTES: usize = 24;
/// A random key in base64url without padding: shorter text in a key file was cut off.
const KEY_TEXT_MIN: usize = 43;

/// Why a value could not be sealed or opened, or the key not be had.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The value was sealed with another key, or is damaged.
    #[error(
        "a secret in the database cannot be opened: WATCHBELL_SECRET_KEY (or secret.key) is not the key that sealed it"
    )]
    WrongKey,
    /// The value is too long for the cipher.
    #[error("a secret cannot be sealed: it is too long")]
    TooLong,
    /// The key file cannot be read or made.
    #[error("cannot use the key file {path}: {reason}")]
    KeyFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Seals and opens small values with one key (XChaCha20-Poly1305, a random nonce before each value), and signs links with another
/// that is derived from it.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    link_key: [u8; 32],
}

impl Sealer {
    /// A sealer whose key is the SHA-256 of `secret`; white space around it does not count.
    pub fn from_text(secret: &str) -> Self {
        let key: [u8; 32] = Sha256::digest(secret.trim().as_bytes()).into();
        let mut links = hmac_sha256(&key);
        links.update(b"watchbell links");
        let link_key = links.finalize().into_bytes().into();
        Self { cipher: XChaCha20Poly1305::new(&key.into()), link_key }
    }

    /// A sealer with the key in the file at `path`, which is made with a random key and mode 600 if it is missing.
    ///
    /// The file holds text, so that it may serve as `WATCHBELL_SECRET_KEY` or `WATCHBELL_SECRET_KEY_FILE` elsewhere.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is shorter than a key.
    pub fn load_or_create(path: &Path) -> Result<Self, SealError> {
        let failed =
            |reason: String| SealError::KeyFile { path: path.display().to_string(), reason };
        let text = match read_key(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_key(path).and_then(|()| read_key(path))
            }
            other => other,
        }
        .map_err(|error| failed(error.to_string()))?;
        if text.trim().len() < KEY_TEXT_MIN {
            return Err(failed("it is damaged; put back the one from a backup".to_owned()));
        }
        Ok(Self::from_text(&text))
    }

    /// Seals a value; sealing it again gives other bytes.
    ///
    /// # Errors
    /// When it is too long for the cipher (256 GB).
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = random_bytes();
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), plain).map_err(|_| SealError::TooLong)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what [`Sealer::seal`] made with the same key.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] for anything else.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) =
            sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::WrongKey)?;
        self.cipher.decrypt(&XNonce::from(*nonce), sealed).map_err(|_| SealError::WrongKey)
    }

    /// The signature of what a link says, in base64url: HMAC-SHA256 by a key of its own.
    pub fn sign_link(&self, said: &str) -> String {
        let mut mac = hmac_sha256(&self.link_key);
        mac.update(said.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether a signature is that of what a link says; takes the same time whatever is wrong with it.
    pub fn is_signed_link(&self, said: &str, signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let mut mac = hmac_sha256(&self.link_key);
        mac.update(said.as_bytes());
        mac.verify_slice(&signature).is_ok()
    }
}

fn read_key(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // A key is one line; what is longer is another file, and is not taken into memory.
    File::open(path)?.take(64 * 1024).read_to_string(&mut text)?;
    Ok(text)
}

/// Makes the key file whole or not at all: a kill half-way, or a second process, must never leave or replace half a key.
fn create_key(path: &Path) -> std::io::Result<()> {
    let draft = path.with_extension(random_token("new-"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", random_token(""))?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        // Another process was quicker: its key counts.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

/// `prefix` and 32 random bytes in base64url: a secret that nobody can guess.
pub fn random_token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
}

/// What is stored of a token: its SHA-256. Enough for a secret with 256 random bits.
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether a receiver can verify what is signed with `secret`: not if it begins as `whsec_` and no key in Base64 follows.
pub fn has_signing_key(secret: &str) -> bool {
    let coded = secret.strip_prefix("whsec_").map(|coded| STANDARD.decode(coded));
    coded.is_none_or(|key| key.is_ok_and(|key| !key.is_empty()))
}

/// The `webhook-signature` of Standard Webhooks: `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`.
///
/// `whsec_` and base64 is the key in their form; any other secret is used as its bytes.
pub fn webhook_signature(secret: &str, id: &str, at: Timestamp, body: &[u8]) -> String {
    let key = secret
        .strip_prefix("whsec_")
        .and_then(|coded| STANDARD.decode(coded).ok())
        .unwrap_or_else(|| secret.as_bytes().to_vec());
    let mut mac = hmac_sha256(&key);
    mac.update(format!("{id}.{}.", webhook_timestamp(at)).as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[allow(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// The `webhook-timestamp` of Standard Webhooks: whole seconds since the epoch.
pub fn webhook_timestamp(at: Timestamp) -> i64 {
    at.0.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let sealer = Sealer::from_text("hunter2");
        let sealed = sealer.seal(b"https://hooks.example/x").unwrap();
        assert_eq!(sealer.open(&sealed).unwrap(), b"https://hooks.example/x");
        assert_ne!(sealed, sealer.seal(b"https://hooks.example/x").unwrap());
        assert!(Sealer::from_text("hunter3").open(&sealed).is_err());
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert!(sealer.open(&damaged).is_err(), "byte {place}");
            assert!(sealer.open(&sealed[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn signs_links_so_that_nobody_else_can() {
        let sealer = Sealer::from_text("hunter2");
        let signature = sealer.sign_link("7.1.1900000000");
        assert!(sealer.is_signed_link("7.1.1900000000", &signature));
        assert!(!sealer.is_signed_link("8.1.1900000000", &signature));
        assert!(!Sealer::from_text("hunter3").is_signed_link("7.1.1900000000", &signature));
        for wrong in ["", "x", "!", &signature[1..], &format!("{signature}A")] {
            assert!(!sealer.is_signed_link("7.1.1900000000", wrong), "{wrong}");
        }
    }

    #[test]
    fn makes_the_key_file_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let sealed = Sealer::load_or_create(&path).unwrap().seal(b"x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        assert_eq!(Sealer::load_or_create(&path).unwrap().open(&sealed).unwrap(), b"x");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Sealer::from_text(&text).open(&sealed).unwrap(), b"x", "usable as a setting");
    }

    #[test]
    fn refuses_a_key_file_that_is_cut_off_or_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        std::fs::write(&path, "abc").unwrap();
        assert!(Sealer::load_or_create(&path).is_err());
        assert!(Sealer::load_or_create(folder.path()).is_err());
        assert!(Sealer::load_or_create(&folder.path().join("none/secret.key")).is_err());
    }

    #[test]
    fn tokens_differ_and_hash_as_sha_256() {
        let token = random_token("wbt_");
        assert_eq!(token.len(), 4 + 43);
        assert_ne!(token, random_token("wbt_"));
        let hex: String = hash_token("abc").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    /// The example that the reference libraries of Standard Webhooks are tested with.
    #[test]
    fn signs_as_standard_webhooks() {
        let signature = webhook_signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp(1_614_265_330_000),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_that_cannot_be_read_is_none() {
        for secret in ["whsec_AQID", "whsec_AQI=", "any text", "wh sec"] {
            assert!(has_signing_key(secret), "{secret}");
        }
        for secret in ["whsec_", "whsec_!!!", "whsec_QQ", "whsec_-_8="] {
            assert!(!has_signing_key(secret), "{secret}");
        }
    }

    #[test]
    fn signs_with_a_secret_of_any_form() {
        let sign = |secret| webhook_signature(secret, "msg_1", Timestamp(0), b"{}");
        let raw = "\u{1}\u{2}\u{3}";
        assert_eq!(sign("whsec_AQID"), sign(raw));
        assert_ne!(sign("whsec_not base64!"), sign("not base64!"));
        assert!(sign("").starts_with("v1,"));
    }
}
