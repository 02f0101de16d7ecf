//! Third-party credentials at rest: AES-256-GCM under the master key, bound to what they are for.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::SecretString;

use crate::error::{Res, StoreError};

pub struct Sealer {
    key: LessSafeKey,
    key_id: String,
}

/// Nonce, ciphertext and tag; and which master key it takes to open it.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub bytes: Vec<u8>,
    pub key_id: String,
}

impl Sealer {
    pub fn new(master_key: &[u8; 32]) -> Self {
        // The identifier tells keys apart without telling anything about them.
        let key_id = hex(&digest(&SHA256, master_key).as_ref()[..4]);
        let key = UnboundKey::new(&AES_256_GCM, master_key).map(LessSafeKey::new);
        Self {
            key: key.unwrap_or_else(|_| unreachable!("32 bytes are a key of AES-256")),
            key_id,
        }
    }

    /// `purpose` is authenticated: a secret copied to another row does not open.
    pub fn seal(&self, purpose: &str, secret: &str) -> Res<Sealed> {
        let failed = || StoreError::Sealed(purpose.to_owned());
        let mut nonce = [0u8; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| failed())?;
        let mut bytes = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut bytes,
            )
            .map_err(|_| failed())?;
        Ok(Sealed {
            bytes: [nonce.as_slice(), &bytes].concat(),
            key_id: self.key_id.clone(),
        })
    }

    pub fn open(&self, purpose: &str, sealed: &Sealed) -> Res<SecretString> {
        let failed = || StoreError::Sealed(purpose.to_owned());
        let (nonce, sealed_bytes) = sealed
            .bytes
            .split_at_checked(NONCE_LEN)
            .ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut bytes = sealed_bytes.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(purpose), &mut bytes)
            .map_err(|_| failed())?;
        String::from_utf8(plain.to_vec())
            .map(SecretString::from)
            .map_err(|_| failed())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_sealed_secret_opens_only_for_its_purpose_and_key() {
        let sealer = Sealer::new(&[7; 32]);
        let sealed = sealer.seal("source bayview", "hunter2").unwrap();
        assert!(!sealed.bytes.windows(7).any(|w| w == b"hunter2"));
        assert_eq!(
            sealer
                .open("source bayview", &sealed)
                .unwrap()
                .expose_secret(),
            "hunter2"
        );
        assert!(sealer.open("source other", &sealed).is_err());
        assert!(
            Sealer::new(&[8; 32])
                .open("source bayview", &sealed)
                .is_err()
        );
        let cut = Sealed {
            bytes: sealed.bytes[..5].to_vec(),
            key_id: sealed.key_id,
        };
        assert!(sealer.open("source bayview", &cut).is_err());
    }
}
