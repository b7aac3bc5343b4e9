//! Signs each request with a shared key: HMAC-SHA256 over what a vendor wants signed.

use super::verify::SignatureError;
use super::{Encoding, SignedRequest, SignedText, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// What a signed request carries besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSignature {
    /// The signature as it is written, without what stands before it in its header.
    pub signature: String,
    /// The time of signing as it is written.
    pub timestamp: String,
}

/// Signs a request.
///
/// # Errors
/// [`SignatureError::Secret`] if the key is empty.
pub fn sign_request(
    key: &str,
    signed: &SignedText,
    encoding: Encoding,
    unit: TimeUnit,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<RequestSignature, SignatureError> {
    if key.is_empty() {
        return Err(SignatureError::Secret);
    }
    let timestamp = unit.write(now);
    let tag = mac(key, signed, request, &timestamp)?.finalize().into_bytes();
    let signature = match encoding {
        Encoding::Hex => hex::encode(tag),
        Encoding::Base64 => STANDARD.encode(tag),
    };
    Ok(RequestSignature { signature, timestamp })
}

/// The authentication code over what is signed.
pub(super) fn mac(
    key: &str,
    signed: &SignedText,
    request: &SignedRequest<'_>,
    timestamp: &str,
) -> Result<Hmac<Sha256>, SignatureError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| SignatureError::Secret)?;
    for piece in signed.fill(request, timestamp) {
        mac.update(&piece);
    }
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_as_openssl_signs_it() {
        // printf 'GET\n/v1/x\na=1\n1614265330' | openssl dgst -sha256 -hmac example
        let request = SignedRequest { method: "GET", url: "https://a.example/v1/x?a=1", body: b"" };
        let signed = SignedText::try_from("{method}\n{path}\n{query}\n{timestamp}".to_owned()).unwrap();
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let of = |encoding, unit| sign_request("example", &signed, encoding, unit, &request, now).unwrap();
        let hex = of(Encoding::Hex, TimeUnit::Seconds);
        assert_eq!(hex.signature, "43edea139880691731eebdf5c820f51fd659dc885c2b6a006ffda6f2aa03fdac");
        assert_eq!(hex.timestamp, "1614265330");
        assert_eq!(of(Encoding::Base64, TimeUnit::Seconds).signature, "Q+3qE5iAaRcx7r31yCD1H9ZZ3IhcK2oAb/2m8qoD/aw=");
        assert_eq!(of(Encoding::Hex, TimeUnit::Milliseconds).timestamp, "1614265330000");
        let empty = sign_request("", &signed, Encoding::Hex, TimeUnit::Seconds, &request, now);
        assert_eq!(empty, Err(SignatureError::Secret));
    }
}
