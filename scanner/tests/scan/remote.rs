//! Real transports: a `git daemon`, a web server that wants a password, and nobody at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use stopleak_scanner::{Cancel, Options, Scan, ScanError, SourceLocation};

use crate::support::{GITHUB, Repo, detector, refusal, scan, scan_with, texts, token};

/// `git daemon` over the folder of a repository; ends with the value.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn over(repo: &Repo) -> Self {
        // The daemon cannot choose a port itself, so another process could take this one: then try the next.
        for _ in 0..20 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            // Run directly: a `git` in between would survive as its parent, or not, at its own pleasure.
            let programs = Command::new("git").arg("--exec-path").output().unwrap().stdout;
            let mut git = Command::new(format!("{}/git-daemon", String::from_utf8(programs).unwrap().trim()));
            git.args(["--export-all", "--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")]);
            git.arg(format!("--base-path={}", repo.path().display())).arg(repo.path());
            let mut daemon = Self { child: git.stderr(Stdio::null()).spawn().unwrap(), port };
            if daemon.answers() {
                return daemon;
            }
        }
        panic!("git daemon does not start");
    }

    fn answers(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && self.child.try_wait().unwrap().is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_repository_behind_git_daemon_is_scanned_and_a_missing_one_is_named() {
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    let commit = repo.commit();
    let daemon = Daemon::over(&repo);
    let url = format!("git://127.0.0.1:{}/.git", daemon.port);
    let (findings, coverage) = scan(&SourceLocation::parse(&url).unwrap());
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    assert_eq!(findings[0].commit, Some(commit));
    assert_eq!((coverage.discovered, coverage.scanned), (1, 1), "there is no work tree to read");

    let missing = SourceLocation::parse(&format!("git://127.0.0.1:{}/nothing", daemon.port)).unwrap();
    let message = refusal(&missing);
    assert!(message.starts_with("no Git repository at git://127.0.0.1"), "{message}");
}

#[test]
fn a_file_url_is_scanned_and_a_folder_without_repository_is_refused() {
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    repo.commit();
    let url = |path: &str| SourceLocation::parse(&format!("file://{}{path}", repo.path().display())).unwrap();
    assert_eq!(texts(&scan(&url("")).0), [token(GITHUB, 1)]);
    assert!(refusal(&url("/nothing")).starts_with("no Git repository at file://"));
}

/// Answers every request with 401, as a forge does for a private repository, and passes on the credentials that came.
fn private_server() -> (u16, Receiver<String>) {
    let (seen_in, seen) = channel();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut request = BufReader::new(stream);
            let mut line = String::new();
            while request.read_line(&mut line).is_ok_and(|read| read > 2) {
                if line.starts_with("Authorization:") {
                    let _ = seen_in.send(line.trim_end().to_owned());
                }
                line.clear();
            }
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = request.get_mut().write_all(answer.as_bytes());
        }
    });
    (port, seen)
}

#[test]
fn a_private_repository_asks_for_credentials_and_never_repeats_them() {
    let (port, seen) = private_server();
    let message = refusal(&SourceLocation::parse(&format!("http://127.0.0.1:{port}/r.git")).unwrap());
    assert!(message.contains("needs credentials") && message.contains("credential helper"), "{message}");
    let wrong = SourceLocation::parse(&format!("http://me:hunter22@127.0.0.1:{port}/r.git")).unwrap();
    let message = refusal(&wrong);
    assert!(message.contains("needs credentials"), "{message}");
    let header = seen.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(header, "Authorization: Basic bWU6aHVudGVyMjI=", "the server alone gets them");
    assert!(!message.contains("hunter22") && !format!("{wrong:?}").contains("hunter22"), "{message}");
}

#[test]
fn a_server_that_never_answers_can_be_left() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let location = SourceLocation::parse(&format!("http://{}/r.git", listener.local_addr().unwrap())).unwrap();
    let cancel = Cancel::default();
    let canceller = cancel.clone();
    let connection = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        canceller.cancel();
        // Ends when the program behind `git` that waits for the answer has ended too.
        let mut request = Vec::new();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection.read_to_end(&mut request).map(|_| ())
    });
    let outcome = Scan::new(detector(), Options::default()).run(&location, &mut Vec::new(), &cancel);
    assert!(matches!(outcome, Err(ScanError::Cancelled)), "{outcome:?}");
    connection.join().unwrap().unwrap();
}

#[test]
fn a_host_that_nobody_answers_for_is_a_network_error() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let location = SourceLocation::parse(&format!("http://127.0.0.1:{port}/r.git")).unwrap();
    let outcome = scan_with(&location, Options::default());
    assert!(matches!(outcome, Err(ScanError::Network { .. })), "{outcome:?}");
}

/// This test starts itself again with keys in its surroundings, as a server may have them, and an `ssh` that writes down its own.
#[test]
fn the_programs_behind_git_do_not_get_our_keys() {
    const KEY: &str = "STOPLEAK_SIGNING_KEY";
    let location = SourceLocation::parse("ssh://git@host.invalid/r").unwrap();
    if std::env::var_os(KEY).is_some() {
        refusal(&location);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (program, seen) = (folder.path().join("ssh.sh"), folder.path().join("seen"));
    std::fs::write(&program, format!("env > '{}'\nexit 1\n", seen.display())).unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "remote::the_programs_behind_git_do_not_get_our_keys"]);
    again.env(KEY, "secret").env("STOPLEAK_API_TOKEN", "secret").env("GIT_SSH_COMMAND", format!("sh '{}'", program.display()));
    let output = again.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("STOPLEAK_"), "{seen}");
}
