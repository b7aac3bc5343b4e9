//! Signed assertions (JWT, RFC 7519) that are a grant of their own (RFC 7523, section 3).

use super::token_request::TokenProblem;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fluxnex_core::connector::JwtAlgorithm;
use jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;

/// For how long an assertion is good, in seconds. Salesforce takes three minutes at most
/// (<https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm>), others more.
const LIFETIME_SECONDS: i64 = 180;

/// What an assertion says. It has no Debug: a claim may be a credential.
#[derive(Serialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    pub(super) aud: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
}

/// Who signs, and how. It has no Debug.
pub(super) struct Signer {
    pub(super) algorithm: JwtAlgorithm,
    pub(super) key_id: Option<String>,
    /// PEM.
    pub(super) private_key: String,
}

/// An assertion that is good from now on.
pub(super) fn assertion(claims: &Claims, signer: &Signer, now: Timestamp) -> Result<String, TokenProblem> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'a str,
        typ: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        kid: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Timed<'a> {
        #[serde(flatten)]
        claims: &'a Claims,
        iat: i64,
        exp: i64,
    }
    let header = Header { alg: signer.algorithm.name(), typ: "JWT", kid: signer.key_id.as_deref() };
    let iat = now.as_second();
    let timed = Timed { claims, iat, exp: iat.saturating_add(LIFETIME_SECONDS) };
    let encode = |json: Result<Vec<u8>, serde_json::Error>| {
        json.map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| unusable("a claim cannot be written"))
    };
    let content = format!("{}.{}", encode(serde_json::to_vec(&header))?, encode(serde_json::to_vec(&timed))?);
    let signature = sign(signer, content.as_bytes())?;
    Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn sign(signer: &Signer, content: &[u8]) -> Result<Vec<u8>, TokenProblem> {
    const NO_KEY: &str = "the private key is no PEM of a private key";
    let key = PrivateKeyDer::from_pem_slice(signer.private_key.as_bytes()).map_err(|_| unusable(NO_KEY))?;
    match signer.algorithm {
        JwtAlgorithm::RS256 => rsa(&key, &RSA_PKCS1_SHA256, content),
        JwtAlgorithm::PS256 => rsa(&key, &RSA_PSS_SHA256, content),
        JwtAlgorithm::ES256 => {
            const OTHER: &str = "the private key is none of ECDSA on P-256";
            let pair = match &key {
                PrivateKeyDer::Pkcs8(key) => {
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der())
                }
                PrivateKeyDer::Sec1(key) => {
                    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_sec1_der())
                }
                _ => return Err(unusable(OTHER)),
            };
            let pair = pair.map_err(|_| unusable(OTHER))?;
            let signature = pair.sign(&SystemRandom::new(), content);
            Ok(signature.map_err(|_| unusable("the private key cannot sign"))?.as_ref().to_vec())
        }
    }
}

fn rsa(key: &PrivateKeyDer<'_>, encoding: &'static dyn RsaEncoding, content: &[u8]) -> Result<Vec<u8>, TokenProblem> {
    const OTHER: &str = "the private key is none of RSA with 2048 bits or more";
    let pair = match key {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err(unusable(OTHER)),
    };
    let pair = pair.map_err(|_| unusable(OTHER))?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), content, &mut signature)
        .map_err(|_| unusable("the private key cannot sign"))?;
    Ok(signature)
}

fn unusable(reason: &str) -> TokenProblem {
    TokenProblem::Credentials { reason: reason.to_owned() }
}
