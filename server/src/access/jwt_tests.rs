//! Tokens as an issuer would sign them, and as somebody else would like to.

use super::*;
use jsonwebtoken::{EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::json;

const NOW: u64 = 1_800_000_000;
const AUDIENCE: &str = "dits://media.example";

/// A key that signs, and the set that its issuer would publish.
struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    set: JwkSet,
}

fn signer(algorithm: Algorithm, id: Option<&str>) -> Signer {
    let key = match algorithm {
        Algorithm::EdDSA => {
            // PKCS #8 as the library reads it: without the public half.
            let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).unwrap();
            der.extend_from_slice(&seed);
            EncodingKey::from_ed_der(&der)
        }
        _ => {
            let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
            EncodingKey::from_ec_der(&pair.serialize_der())
        }
    };
    let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
    jwk.common.key_id = id.map(str::to_owned);
    Signer { key, algorithm, set: JwkSet { keys: vec![jwk] } }
}

impl Signer {
    fn sign(&self, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

fn claims() -> Value {
    json!({ "iss": "https://ci.example", "aud": AUDIENCE, "sub": "repo:org/app", "exp": NOW + 300, "nbf": NOW })
}

fn verdict(token: &str, keys: &JwkSet, now: u64) -> Result<Map<String, Value>, BadJwt> {
    Jwt::read(token)?.verify(token, keys, AUDIENCE, now)
}

#[test]
fn what_the_issuer_signed_counts_and_nothing_else() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let (ours, other) = (signer(algorithm, Some("k1")), signer(algorithm, Some("k1")));
        let token = ours.sign(Some("k1"), &claims());
        assert!(looks_like_jwt(&token));
        assert_eq!(verdict(&token, &ours.set, NOW).unwrap()["sub"], "repo:org/app");
        assert_eq!(verdict(&token, &other.set, NOW), Err(BadJwt::Signature));
        assert_eq!(verdict(&ours.sign(Some("k2"), &claims()), &ours.set, NOW), Err(BadJwt::Key));
        assert_eq!(verdict(&token, &JwkSet { keys: vec![] }, NOW), Err(BadJwt::Key));
        // Neither names a key.
        let nameless = signer(algorithm, None);
        assert!(verdict(&nameless.sign(None, &claims()), &nameless.set, NOW).is_ok());
        let mut parts: Vec<&str> = token.split('.').collect();
        let forged =
            other.sign(Some("k1"), &json!({ "iss": "https://ci.example", "aud": AUDIENCE, "exp": NOW + 9 }));
        parts[1] = forged.split('.').nth(1).unwrap();
        assert_eq!(verdict(&parts.join("."), &ours.set, NOW), Err(BadJwt::Signature));
    }
}

#[test]
fn claims_must_be_for_us_and_for_now() {
    let ours = signer(Algorithm::ES256, Some("k1"));
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        verdict(&ours.sign(Some("k1"), &claims), &ours.set, NOW)
    };
    assert!(with("aud", json!(["x", AUDIENCE])).is_ok());
    for other in
        [json!("dits://other"), json!(["x"]), json!(null), json!(7), json!("dits://media.example.evil")]
    {
        assert_eq!(with("aud", other), Err(BadJwt::Audience));
    }
    assert!(with("exp", json!(NOW - SKEW_SECONDS + 1)).is_ok());
    assert_eq!(with("exp", json!(NOW - SKEW_SECONDS)), Err(BadJwt::Expired));
    assert!(with("exp", json!((NOW + 1) as f64 + 0.5)).is_ok());
    for bad in [json!(null), json!("tomorrow"), json!(-1)] {
        assert_eq!(with("exp", bad), Err(BadJwt::Malformed));
    }
    assert!(with("nbf", json!(NOW + SKEW_SECONDS)).is_ok());
    assert_eq!(with("nbf", json!(NOW + SKEW_SECONDS + 1)), Err(BadJwt::Early));
}

#[test]
fn no_algorithm_makes_a_public_key_a_secret() {
    let ours = signer(Algorithm::ES256, Some("k1"));
    let part = |token: String| token.split('.').nth(1).unwrap().to_owned();
    let body = part(ours.sign(Some("k1"), &claims()));
    // The second part of a token is base64 of any JSON: a first part for another one.
    let header = |alg: &str| part(ours.sign(None, &json!({ "alg": alg, "kid": "k1", "typ": "JWT" })));
    for alg in ["none", "None", "HS256", "RS512", "PS256", "ES384", ""] {
        let token = format!("{}.{body}.{}", header(alg), header("x"));
        assert!(
            matches!(verdict(&token, &ours.set, NOW), Err(BadJwt::Malformed | BadJwt::Algorithm)),
            "{alg}"
        );
        let unsigned = format!("{}.{body}.", header(alg));
        assert!(verdict(&unsigned, &ours.set, NOW).is_err(), "{alg}");
    }
    // Signed with the published key as a shared secret.
    let secret = serde_json::to_vec(&ours.set).unwrap();
    let confused =
        encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(&secret)).unwrap();
    assert_eq!(verdict(&confused, &ours.set, NOW), Err(BadJwt::Algorithm));
    // A key of another kind, or for another use, under the right name.
    let ed = signer(Algorithm::EdDSA, Some("k1"));
    assert_eq!(verdict(&ours.sign(Some("k1"), &claims()), &ed.set, NOW), Err(BadJwt::Key));
    let mut for_secrets = ours.set.clone();
    for_secrets.keys[0].common.public_key_use = Some(PublicKeyUse::Encryption);
    assert_eq!(verdict(&ours.sign(Some("k1"), &claims()), &for_secrets, NOW), Err(BadJwt::Key));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}|eyJ[a-zA-Z0-9_-]{0,40}\\.[a-zA-Z0-9_-]{0,40}\\.[a-zA-Z0-9_-]{0,10}") {
        let ours = signer(Algorithm::EdDSA, None);
        prop_assert!(verdict(&text, &ours.set, NOW).is_err());
        let _ = parse_keys(text.as_bytes());
    }
}
