//! What a gRPC answer's own status says, which its HTTP status hides.

use crate::{
    measure::Class,
    proxy::head::{Fields, names::CONTENT_TYPE},
};

/// The status codes that blame the server: unknown, deadline exceeded, internal, unavailable.
const SERVER_FAULTS: [&str; 4] = ["2", "4", "13", "14"];

/// Whether a head says that gRPC follows.
pub(crate) fn is_grpc(headers: &Fields) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|it| it.starts_with(b"application/grpc"))
}

/// The class of a gRPC status in trailers, or in the head where there are only trailers; `None` where it is no fault of
/// the server's.
pub(crate) fn status_class(status: Option<&[u8]>) -> Option<Class> {
    let status = str::from_utf8(status?).ok()?;
    SERVER_FAULTS
        .contains(&status.trim())
        .then_some(Class::Grpc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_faults_count() {
        let check = |status: &str, expected| {
            assert_eq!(
                status_class(Some(status.as_bytes())),
                expected,
                "grpc-status {status}"
            );
        };
        for fault in ["2", "4", "13", "14"] {
            check(fault, Some(Class::Grpc));
        }
        for fine in ["0", "1", "3", "5", "12", "16", "", "22"] {
            check(fine, None);
        }
        assert_eq!(status_class(None), None);
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let check = |kind: &str, expected| {
            let mut headers = Fields::new();
            headers.insert(CONTENT_TYPE, kind.as_bytes());
            assert_eq!(is_grpc(&headers), expected, "{kind}");
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("application/grpc-web", true);
        check("application/json", false);
    }
}
