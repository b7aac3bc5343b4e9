//! Lambda: one function invokes another.

use super::super::Inner;
use super::super::http::{self, Answer, Call};
use super::{Refusal, refused};

pub(super) async fn answer(host: &Inner, call: &Call) -> Answer {
    let path = http::decoded(&call.path);
    let name = path.split('/').nth(3).unwrap_or_default();
    let Some(function) = host.function_called(name) else {
        return refused(&Refusal::of_status(404, "ResourceNotFoundException", format!("Function not found: {name}")));
    };
    match function.invoke(call.body.clone()).await {
        Ok(bytes) => http::answer(200, "application/json", bytes),
        Err(error) => {
            let answer = http::json(200, &serde_json::to_value(&error).unwrap_or_default());
            http::with_header(answer, "x-amz-function-error", "Unhandled")
        }
    }
}
