//! A whole daemon mails through a server that is not ours: aiosmtpd, with TLS, a log-in and a refused recipient.
//!
//! It needs a Python with aiosmtpd, which `ORDERBELL_AIOSMTPD_PYTHON` names; `.ci/run` makes one.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::Receiver;

use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::support::{Scene, TOO_LONG, keeta, of, untested};

/// A running server; dropping it ends it.
struct Server {
    child: Child,
    said: Receiver<Value>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(python: &OsStr, mode: &str) -> (Self, u64) {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let mut child = Command::new(python)
            .arg(data.join("mail_server.py"))
            .arg(mode)
            .args([data.join("tls/localhost.pem"), data.join("tls/localhost.key")])
            .args(["bell", "hush-pässword"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (say, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if say.send(serde_json::from_str(&line).expect("JSON")).is_err() {
                    return;
                }
            }
        });
        let server = Self { child, said };
        let port = server.next()["port"].as_u64().expect("a port");
        (server, port)
    }

    fn next(&self) -> Value {
        self.said.recv_timeout(TOO_LONG).expect("the server says something")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_makers_server_takes_our_mails_as_we_mean_them() {
    let Some(python) = std::env::var_os("ORDERBELL_AIOSMTPD_PYTHON") else {
        return untested::say(
            "a mail server that is not ours: ORDERBELL_AIOSMTPD_PYTHON names no Python with aiosmtpd",
        );
    };
    for (mode, scheme) in [("starttls", "smtp"), ("implicit", "smtps")] {
        let (server, port) = Server::start(&python, mode);
        let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls/authority.pem");
        let scene = Scene::new(Rules::new()).await;
        let mail = format!(
            "[channel.mail]\nkind = \"email\"\nsmtp = \"{scheme}://localhost:{port}\"\nallow_private = true\n\
             username = \"bell\"\npassword = \"hush-pässword\"\nca_file = {authority:?}\n\
             from = \"海港 Noodle House <bell@orderbell.test>\"\nlanguage = \"zh-CN\"\n\
             to = [\"nobody@orderbell.test\", \"Owner <owner@orderbell.test>\"]\ncc = [\"cook@orderbell.test\"]\n"
        );
        let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"mail\"]\n[operator]\nto = [\"robot\"]\n";
        let daemon = scene.start(&format!("{mail}{}{route}", scene.robot("robot", ""))).await;
        daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
        let (first, second) = (server.next(), server.next());
        let recipients: Vec<_> = [&first, &second].iter().map(|got| got["recipients"][0].clone()).collect();
        assert_eq!(recipients, ["owner@orderbell.test", "cook@orderbell.test"], "{mode}");
        for got in [&first, &second] {
            assert_eq!(got["recipients"].as_array().map(Vec::len), Some(1));
            assert_eq!(got["sender"], "bell@orderbell.test");
            assert_eq!((&got["encrypted"], &got["authenticated"]), (&true.into(), &true.into()), "{mode}");
            assert_eq!(got["defects"], Value::Array(Vec::new()));
            let headers = &got["headers"];
            assert_eq!(headers["from"], "海港 Noodle House <bell@orderbell.test>");
            assert_eq!(headers["to"], "nobody@orderbell.test, Owner <owner@orderbell.test>");
            assert_eq!(headers["cc"], "cook@orderbell.test");
            assert_eq!(headers["auto-submitted"], "auto-generated");
            assert!(headers["subject"].as_str().is_some_and(|subject| subject.starts_with("订单 #")), "{headers}");
            assert_eq!(headers["message-id"], first["headers"]["message-id"]);
            assert!(got["text"].as_str().is_some_and(|text| text.starts_with("新订单") && text.contains("糖醋排骨")));
            assert!(got["html"].as_str().is_some_and(|html| html.contains("<h1") && html.contains("糖醋排骨")));
        }
        let rows = daemon.until(|all| of(all, "mail").iter().all(|mail| mail.state == "delivered")).await;
        assert!(of(&rows, "mail")[0].answer.as_deref().is_some_and(|words| words.contains("550 5.1.1")));
        scene.until_received("robot", 1).await;
        assert!(server.said.try_recv().is_err(), "a mail too many");
        daemon.stop().await;
    }
}
