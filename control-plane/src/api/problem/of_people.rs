//! What can be wrong with who calls, and how often.

use axum::http::StatusCode;
use serde_json::json;

use super::{Problem, Told, internal, seconds, told};
use crate::people::Role;

pub(super) fn told_of(problem: &Problem) -> Told {
    match problem {
        Problem::SignInFailed => told(
            StatusCode::UNAUTHORIZED,
            "sign-in-failed",
            "Not signed in",
            "tenant, name or password is wrong; after some tries each has to wait",
        ),
        Problem::LockedOut { wait } => told(
            StatusCode::TOO_MANY_REQUESTS,
            "locked-out",
            "Too many wrong passwords",
            format!("wait {} seconds before the next try; an administrator may set another password", seconds(*wait)),
        )
        .after(*wait),
        Problem::RateLimited { left } => told(
            StatusCode::TOO_MANY_REQUESTS,
            "rate-limited",
            "Too many requests",
            format!("wait {} seconds, and ask less often", seconds(left.reset)),
        )
        .after(left.reset),
        Problem::ProviderFailed { detail } => {
            told(StatusCode::BAD_GATEWAY, "provider-failed", "Single sign-on failed", detail.as_str())
        }
        Problem::SsoRefused { detail } => told(StatusCode::FORBIDDEN, "sso-refused", "Not signed in", detail.as_str()),
        Problem::CrossSite => told(
            StatusCode::FORBIDDEN,
            "cross-site",
            "Not from a page of this server",
            "with a session's cookie, send the csrf_token of GET /api/v1/session as x-csrf-token, from a page of this server",
        ),
        Problem::OwnAccount => told(
            StatusCode::CONFLICT,
            "own-account",
            "This is your own account",
            "nobody removes themselves or changes their own role; another administrator can",
        ),
        Problem::LastAdministrator { role } => told(
            StatusCode::CONFLICT,
            "last-administrator",
            "The last one of this role",
            format!("this is the last user who is {}; give another one that role first", role.as_str()),
        ),
        // Everything else is told where it is named.
        _ => internal(),
    }
}

pub(super) fn forbidden(roles: &[Role]) -> Told {
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let detail = format!("this needs the role {}", roles.join(" or "));
    told(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail).with("roles", json!(roles))
}
