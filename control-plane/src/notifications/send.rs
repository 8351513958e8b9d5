//! Sends a message. What goes wrong is told without the channel's address, which may be a secret.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport as _};
use serde_json::json;
use tokio::sync::Semaphore;
use ureq::Agent;

use super::channels::Address;
use super::message::Message;
use crate::config::{Config, Smtp, SmtpTls};
use crate::outbound::{self, Destinations};
use crate::signature;
use crate::time::Time;

/// Who sends, with what the operator has set.
pub struct Sender {
    agent: Agent,
    /// Where webhooks may be.
    pub destinations: Destinations,
    mail: Option<(SmtpTransport, Mailbox)>,
    /// Turns at testing a channel.
    pub testing: Semaphore,
    pub(super) public_url: Option<String>,
}

/// What became of a try.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The status of an HTTP answer.
    pub(super) answer: Option<i64>,
    /// Why it did not arrive; `None` when it did.
    pub(super) error: Option<String>,
}

/// Longest silence of a mail server.
const MAIL_TIMEOUT: Duration = Duration::from_secs(10);
/// Tests under way, each with a thread that waits for the receiver.
const TESTS_AT_ONCE: usize = 8;
/// Longest text of an error that is kept.
const MAX_ERROR: usize = 300;

impl Sender {
    /// As the operator wants it.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let destinations = config.destinations();
        let mail = match &config.smtp {
            Some(smtp) => Some((transport(smtp)?, smtp.from.clone())),
            None => None,
        };
        let (agent, testing) = (outbound::agent(destinations), Semaphore::new(TESTS_AT_ONCE));
        Ok(Self { agent, destinations, mail, testing, public_url: config.public_url.clone() })
    }

    /// Whether e-mail can be sent at all.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Blocks for as long as the receiver takes, within limits.
    pub(super) fn send(&self, address: &Address, message: &Message<'_>, now: Time) -> Outcome {
        match address {
            Address::Webhook { url, secret } => {
                let body = message.json().to_string();
                let signature = signature::sign(secret, now.as_millis() / 1000, body.as_bytes());
                self.post(url, &body, message, Some(&signature))
            }
            Address::Slack { url } => self.post(url, &json!({"text": message.slack()}).to_string(), message, None),
            Address::Email { recipients } => {
                let error = self.mail(recipients, message).err();
                Outcome { answer: None, error: error.map(|error| kept(&error)) }
            }
        }
    }

    fn post(&self, url: &str, body: &str, message: &Message<'_>, signature: Option<&str>) -> Outcome {
        let mut request = self
            .agent
            .post(url)
            .header("content-type", "application/json")
            .header("stopleak-delivery", message.delivery.to_string())
            .header("stopleak-event", message.event());
        if let Some(signature) = signature {
            request = request.header(signature::HEADER, signature);
        }
        match request.send(body) {
            // The answer's body is not read: nothing depends on it, and it may have no end.
            Ok(response) => {
                let status = response.status();
                let error = (!status.is_success()).then(|| format!("the receiver answered {}", status.as_u16()));
                Outcome { answer: Some(i64::from(status.as_u16())), error }
            }
            Err(error) => Outcome { answer: None, error: Some(outbound::explain(&error)) },
        }
    }

    fn mail(&self, recipients: &[String], message: &Message<'_>) -> Result<(), String> {
        let (transport, from) = self.mail.as_ref().ok_or("the server's configuration has no [smtp]")?;
        let mut mail = Mail::builder().from(from.clone()).subject(message.subject()).header(ContentType::TEXT_PLAIN);
        for recipient in recipients {
            let recipient: lettre::Address = recipient.parse().map_err(|_| "a recipient's address has no sense")?;
            mail = mail.to(Mailbox::new(None, recipient));
        }
        // The same for each try, so that a mail that arrives twice is recognised as one.
        let id = format!("<delivery-{}-{}@{}>", message.delivery, message.created_at.as_millis(), from.email.domain());
        let mail = mail.message_id(Some(id)).body(message.text()).map_err(|error| error.to_string())?;
        transport.send(&mail).map(drop).map_err(|error| error.to_string())
    }
}

fn transport(smtp: &Smtp) -> anyhow::Result<SmtpTransport> {
    let mut parameters = TlsParameters::builder(smtp.host.clone());
    if let Some(pem) = smtp.authority()? {
        parameters = parameters.add_root_certificate(Certificate::from_pem(&pem)?);
    }
    let tls = match smtp.tls {
        SmtpTls::Starttls => Tls::Required(parameters.build()?),
        SmtpTls::Tls => Tls::Wrapper(parameters.build()?),
        SmtpTls::None => Tls::None,
    };
    // "Dangerous" is the name of what comes without TLS; it is set in the next line.
    let mut transport = SmtpTransport::builder_dangerous(&smtp.host).port(smtp.port()).tls(tls).timeout(Some(MAIL_TIMEOUT));
    if let (Some(username), Some(password)) = (&smtp.username, smtp.password()?) {
        transport = transport.credentials(Credentials::new(username.clone(), password.to_string()));
    }
    Ok(transport.build())
}

/// A mail server's words, as they may be shown.
fn kept(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_ERROR)).unwrap_or(text).replace(char::is_control, " ")
}
