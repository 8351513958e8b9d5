//! E-mail, to a real mail server.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use stopleak::config::{Smtp, SmtpTls};

use super::*;

struct MailServer {
    process: Child,
    output: BufReader<ChildStdout>,
    port: u16,
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_through_the_operators_server() {
    for (mode, tls) in [("none", SmtpTls::None), ("starttls", SmtpTls::Starttls), ("tls", SmtpTls::Tls)] {
        let data = Data::new();
        let (mut server, mut smtp) = MailServer::start(mode, tls, data.path());
        if tls != SmtpTls::None {
            smtp.username = Some("stopleak".to_owned());
        }
        let world = world_with(data, smtp).await;
        let title = "a leak\u{2028}with: ümlauts";
        world.api.post("/leaks", &json!({"title": title, "tokens": [TOKEN]})).created();
        let recipients = json!(["security@example.com", "oncall@example.com"]);
        let channel = json!({"name": "mail", "kind": "email", "recipients": recipients});
        let channel = world.api.post("/notifications/channels", &channel).created();
        assert_eq!(channel["summary"], "security@example.com, oncall@example.com");
        tell(&world, &Event::Added(&[1]), tomorrow()).await;
        assert_eq!(send(&world, tomorrow().plus(3 * SECOND)).await, 1);
        assert_eq!(deliveries(&world, "")[0]["error"], json!(null));

        let mail = server.mail();
        assert_eq!(
            (&mail["from"], &mail["to"], &mail["tls"]),
            (&json!("stopleak@example.com"), &recipients, &json!(tls != SmtpTls::None))
        );
        let data = mail["data"].as_str().unwrap();
        let (head, body) = data.split_once("\r\n\r\n").unwrap();
        // Quoted-printable: long lines go on after such an end.
        let body = body.replace("=\r\n", "");
        assert!(head.contains("Subject: Stopleak (default): new leak: LK-1, high risk\r\n"), "{head}");
        assert!(head.contains("Content-Type: text/plain; charset=utf-8") && head.contains("Message-ID: <delivery-1-"), "{head}");
        assert!(!data.contains(TOKEN) && body.contains("https://stopleak.example/leaks/1"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_who_it_should_be_gets_nothing() {
    for (mode, tls) in [("starttls", SmtpTls::Starttls), ("tls", SmtpTls::Tls), ("none", SmtpTls::Starttls)] {
        let data = Data::new();
        let (_server, smtp) = MailServer::start(mode, tls, data.path());
        // Nobody vouches for its certificate, or it has none.
        let world = world_with(data, Smtp { authority: None, username: Some("stopleak".to_owned()), ..smtp }).await;
        let channel = json!({"name": "mail", "kind": "email", "recipients": ["security@example.com"]});
        world.api.post("/notifications/channels", &channel).created();
        let test = world.api.post("/notifications/channels/1/test", &json!({})).ok();
        assert_eq!(test["status"], "dead", "{test}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_is_kept_and_recipients_cannot_add_headers() {
    let data = Data::new();
    let (_server, smtp) = MailServer::start("none", SmtpTls::None, data.path());
    let world = world_with(data, smtp).await;
    for bad in ["security", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example", "", "<a@b.example>"] {
        let channel = json!({"name": "mail", "kind": "email", "recipients": [bad]});
        world.api.post("/notifications/channels", &channel).problem(422, "invalid");
    }
    let many = vec!["a@b.example"; 21];
    world.api.post("/notifications/channels", &json!({"name": "m", "kind": "email", "recipients": many})).problem(422, "invalid");
    let channel = json!({"name": "mail", "kind": "email", "recipients": ["refused@example.com"]});
    world.api.post("/notifications/channels", &channel).created();
    let test = world.api.post("/notifications/channels/1/test", &json!({})).ok();
    assert!(test["error"].as_str().unwrap().contains("no such mailbox"), "{test}");
}

async fn world_with(data: Data, smtp: Smtp) -> World {
    let public_url = Some("https://stopleak.example".to_owned());
    let config = Config { smtp: Some(smtp), public_url, ..data.config() };
    World::start_with(data, &config).await
}

impl MailServer {
    fn start(mode: &str, tls: SmtpTls, folder: &Path) -> (Self, Smtp) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key, password] = ["mail.pem", "mail.key", "password"].map(|name| folder.join(name));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(&password, "a-password\n").unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = root.join("../.tools/aiosmtpd");
        assert!(library.exists(), "{} is missing: run `just setup`", library.display());
        let mut process = Command::new("python3")
            .arg(root.join("tests/it/notifications/smtp_server.py"))
            .arg(mode)
            .args([&certificate, &key])
            .env("PYTHONPATH", library)
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        let port = port.trim().parse().expect("the mail server did not start");
        let smtp = Smtp {
            host: "localhost".to_owned(),
            port: Some(port),
            tls,
            authority: (tls != SmtpTls::None).then_some(certificate),
            from: "Stopleak <stopleak@example.com>".parse().unwrap(),
            username: None,
            password_file: Some(password),
            password_command: None,
        };
        (Self { process, output, port }, smtp)
    }

    fn mail(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no mail came to port {}", self.port))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
