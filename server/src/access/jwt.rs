//! Tokens that an issuer signed (JWT, as CI systems hand them out). Pure: keys and time are arguments.
//!
//! [`Jwt::read`] looks at the outside: which issuer, which key, which algorithm. [`Jwt::verify`] believes nothing but a
//! signature by one of that issuer's keys, made with an algorithm that the key is for: RS256, ES256 or EdDSA. `none` and the
//! algorithms of shared secrets do not exist here, so a public key can never be taken for a secret. Then `iss` and `aud` must be exactly what was
//! agreed on, `exp` must be there and ahead, `nbf` (if there) behind, give or take [`SKEW_SECONDS`].
//!
//! Fails as [`BadJwt`]; the words are safe to show to whoever sent the token.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

/// Seconds by which two clocks may differ.
pub const SKEW_SECONDS: u64 = 60;
/// Bytes of a set of keys.
pub const KEYS_BYTES_MAX: usize = 256 << 10;
/// Keys in a set.
pub const KEYS_MAX: usize = 100;

/// Why a token of an issuer is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJwt {
    /// Not three parts of base64 and JSON, or without what must be there.
    #[error("it cannot be read")]
    Malformed,
    /// Signed in a way that is not accepted.
    #[error("its algorithm is not RS256, ES256 or EdDSA")]
    Algorithm,
    /// The issuer has no such key.
    #[error("its key is not one of the issuer's")]
    Key,
    /// Not signed by that key.
    #[error("its signature is wrong")]
    Signature,
    /// By whom it is not said to be.
    #[error("its issuer is not known here")]
    Issuer,
    /// For somebody else.
    #[error("its audience is not this server")]
    Audience,
    /// Over.
    #[error("it has expired")]
    Expired,
    /// Not yet.
    #[error("it is not valid yet")]
    Early,
    /// No rule of the issuer's.
    #[error("no rule fits its claims")]
    NoRule,
}

/// The outside of a token: nothing of it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    algorithm: Algorithm,
    /// Which key it names.
    pub key_id: Option<String>,
    /// Whose it says to be.
    pub issuer: String,
}

/// Whether a text is meant as a JWT; tokens of our own never look like that.
pub fn looks_like_jwt(token: &str) -> bool {
    token.starts_with("eyJ") && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Reads a set of keys.
pub fn parse_keys(text: &[u8]) -> Option<JwkSet> {
    let set: JwkSet = serde_json::from_slice(text).ok().filter(|_| text.len() <= KEYS_BYTES_MAX)?;
    (set.keys.len() <= KEYS_MAX).then_some(set)
}

/// Whether a set has the key that a token names.
pub fn has_key(keys: &JwkSet, id: Option<&str>) -> bool {
    keys.keys.iter().any(|key| is_named(key, id))
}

fn is_named(key: &Jwk, id: Option<&str>) -> bool {
    // A token that names no key may be by any, a key without a name may be meant by any.
    id.is_none() || key.common.key_id.is_none() || key.common.key_id.as_deref() == id
}

impl Jwt {
    /// Reads what a token says of itself.
    pub fn read(token: &str) -> Result<Jwt, BadJwt> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadJwt::Malformed)?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
            return Err(BadJwt::Algorithm);
        }
        let claims = jsonwebtoken::dangerous::insecure_decode::<Map<String, Value>>(token);
        let claims = claims.map_err(|_| BadJwt::Malformed)?.claims;
        let issuer = claims.get("iss").and_then(Value::as_str).ok_or(BadJwt::Malformed)?.to_owned();
        Ok(Jwt { algorithm: header.alg, key_id: header.kid, issuer })
    }

    /// Checks `token` (the text this was read from) in full and gives its claims.
    pub fn verify(
        &self,
        token: &str,
        keys: &JwkSet,
        audience: &str,
        now: u64,
    ) -> Result<Map<String, Value>, BadJwt> {
        let mut failure = BadJwt::Key;
        let fitting = keys.keys.iter().filter(|key| is_named(key, self.key_id.as_deref()) && self.suits(key));
        for key in fitting {
            match self.signed(token, key) {
                Some(claims) => return self.check(claims, audience, now),
                None => failure = BadJwt::Signature,
            }
        }
        Err(failure)
    }

    /// Whether a key is for signatures of this kind.
    fn suits(&self, key: &Jwk) -> bool {
        let kind = match (&key.algorithm, self.algorithm) {
            (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
            (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
            (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
            _ => false,
        };
        let of_key = key.common.key_algorithm.is_none_or(|of_key| of_key == self.algorithm.into());
        let usable = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        kind && of_key && usable
    }

    fn signed(&self, token: &str, key: &Jwk) -> Option<Map<String, Value>> {
        let key = DecodingKey::from_jwk(key).ok()?;
        let mut validation = Validation::new(self.algorithm);
        // Claims are checked below, where the time is an argument.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        Some(jsonwebtoken::decode(token, &key, &validation).ok()?.claims)
    }

    fn check(
        &self,
        claims: Map<String, Value>,
        audience: &str,
        now: u64,
    ) -> Result<Map<String, Value>, BadJwt> {
        let is_ours = |value: &Value| value.as_str() == Some(audience);
        let time = |name| claims.get(name).map(|value| seconds(value).ok_or(BadJwt::Malformed)).transpose();
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(BadJwt::Issuer);
        }
        match claims.get("aud") {
            Some(Value::Array(all)) if all.iter().any(is_ours) => {}
            Some(one) if is_ours(one) => {}
            _ => return Err(BadJwt::Audience),
        }
        if time("exp")?.ok_or(BadJwt::Malformed)?.saturating_add(SKEW_SECONDS) <= now {
            return Err(BadJwt::Expired);
        }
        if time("nbf")?.is_some_and(|from| from > now.saturating_add(SKEW_SECONDS)) {
            return Err(BadJwt::Early);
        }
        Ok(claims)
    }
}

/// A moment as JWT writes it: a number, perhaps with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|time| *time >= 0.0).map(|time| time as u64))
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
