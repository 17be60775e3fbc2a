//! Mails and the lease of their mailbox: a server may take longer for all its answers together than a lease lasts. As long as it
//! is renewed the mail goes on; where it ends, so does the mail, at whichever step it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use orderbell::channel::Channel;
use orderbell::channel::email::Email;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::instances::A_LEASE_S;
use crate::instances::scene::{House, OneInstance};

/// The answers of the server, each to what stands before it.
const STEPS: [(&str, &str); 6] = [
    ("", "220 hello"),
    ("EHLO ", "250 yes"),
    ("MAIL FROM:", "250 yes"),
    ("RCPT TO:", "250 yes"),
    ("DATA", "354 go ahead"),
    (".\r\n", "250 taken"),
];
/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a connection is, and what has come over it.
enum Step {
    /// It waits for this answer.
    At(usize, String, oneshot::Sender<()>),
    /// Its other side has hung up.
    Over(String),
}

/// A mail server that answers when the test says so.
struct Server {
    address: String,
    steps: mpsc::UnboundedReceiver<Step>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (say, steps) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(BufReader::new(stream), say.clone()));
            }
        });
        Self { address, steps }
    }

    async fn next(&mut self) -> Step {
        tokio::time::timeout(PATIENCE, self.steps.recv()).await.expect("in time").expect("it runs")
    }

    /// The step at which a connection is.
    async fn step(&mut self) -> (usize, oneshot::Sender<()>) {
        match self.next().await {
            Step::At(step, _, answer) => (step, answer),
            Step::Over(came) => panic!("it hung up after:\n{came}"),
        }
    }

    /// What came over a connection before its other side hung up.
    async fn over(&mut self) -> String {
        match self.next().await {
            Step::Over(came) => came,
            Step::At(step, ..) => panic!("it went on to step {step}"),
        }
    }

    /// Answers each step of one mail, and returns what came.
    async fn take_mail(&mut self) -> String {
        loop {
            let Step::At(step, came, answer) = self.next().await else { panic!("it hung up") };
            answer.send(()).expect("it waits");
            if step == STEPS.len() - 1 {
                return came;
            }
        }
    }
}

async fn converse(mut stream: BufReader<TcpStream>, say: mpsc::UnboundedSender<Step>) {
    let mut came = String::new();
    for (step, (command, answer)) in STEPS.iter().enumerate() {
        let mut line = String::new();
        while !line.starts_with(command) {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            came.push_str(&line);
        }
        let (answered, may_answer) = oneshot::channel();
        // The test may be over.
        let _ = say.send(Step::At(step, came.clone(), answered));
        if may_answer.await.is_err() {
            break;
        }
        let _ = stream.write_all(format!("{answer}\r\n").as_bytes()).await;
    }
    let _ = stream.read_to_string(&mut came).await;
    let _ = say.send(Step::Over(came));
}

fn instance(house: &House, name: &str, server: &Server) -> OneInstance {
    let address = &server.address;
    let text =
        format!("smtp = \"smtp+plain://{address}\"\nfrom = \"bell@orderbell.test\"\nto = [\"owner@example.com\"]");
    let email: Arc<dyn Channel> = Arc::new(toml::from_str::<Email>(&text).expect("a mailbox"));
    house.instance_with(name, vec![("box".to_owned(), email)])
}

fn message_id(mail: &str) -> Option<&str> {
    mail.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:"))
}

#[tokio::test]
async fn a_mail_that_takes_longer_than_a_lease_goes_on_as_long_as_it_is_renewed() {
    let mut house = House::new();
    let mut server = Server::start().await;
    let (one, two) = (instance(&house, "one", &server), instance(&house, "two", &server));
    one.look().await;
    house.order(&["box"]).await;
    one.wake();
    for wanted in 0..STEPS.len() {
        let (step, answer) = server.step().await;
        assert_eq!(step, wanted);
        for _ in 0..2 {
            house.wait(A_LEASE_S / 2);
            one.look().await;
            two.look().await;
        }
        answer.send(()).expect("it waits");
    }
    let row = house.until(|row| row.state == "delivered").await;
    assert_eq!(row.attempts, 1);
    assert!(house.holders().values().all(|holder| holder == "one"), "{:?}", house.holders());
}

#[tokio::test]
async fn a_mail_ends_with_the_lease_at_whichever_step_it_is_and_the_next_holder_sends_it() {
    for silent_at in 0..STEPS.len() {
        let mut house = House::new();
        let mut server = Server::start().await;
        let (one, two) = (instance(&house, "one", &server), instance(&house, "two", &server));
        one.look().await;
        house.order(&["box"]).await;
        one.wake();
        let silent = loop {
            let (step, answer) = server.step().await;
            if step == silent_at {
                break answer;
            }
            answer.send(()).expect("it waits");
        };
        one.leases.is_cut.store(true, Ordering::Release);
        house.wait(A_LEASE_S);
        house.until(|row| row.answer.is_some()).await;
        drop(silent);
        let came = server.over().await;
        assert_eq!(came.contains("\r\n.\r\n"), silent_at == STEPS.len() - 1, "step {silent_at}: {came}");
        // Until the first step of the schedule.
        house.wait(10);
        two.look().await;
        two.wake();
        let again = server.take_mail().await;
        let row = house.until(|row| row.state == "delivered").await;
        assert_eq!(row.attempts, 2, "step {silent_at}");
        if silent_at == STEPS.len() - 1 {
            assert_eq!(message_id(&came), message_id(&again), "whoever knows the id shows one");
        }
    }
}
