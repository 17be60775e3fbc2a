//! Bare poem: answering a constant, which is what everything else is compared with; and answering it when the body is on
//! disk, which is the least that a durable answer costs.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;

use poem::endpoint::make;
use poem::listener::TcpAcceptor;
use poem::{Endpoint, Request, Server};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::process;

const ANSWER: &str = r#"{"code":0,"message":"success","data":{}}"#;
/// As many bodies at most are one write and one `fdatasync`.
const GROUP: usize = 1024;

/// What is done before the answer.
pub enum Work {
    Nothing,
    /// The body is appended to a file in the current folder, and is on disk.
    AppendLog,
}

type Waiting = (Vec<u8>, oneshot::Sender<()>);

pub fn serve(work: Work) {
    process::end_with_parent();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match work {
            Work::Nothing => {
                run(make(|mut request: Request| async move {
                    let _ = request.take_body().into_bytes().await?;
                    Ok::<_, poem::Error>(ANSWER)
                }))
                .await
            }
            Work::AppendLog => {
                let (log, queue) = mpsc::channel::<Waiting>(GROUP);
                std::thread::spawn(move || append(queue));
                run(make(move |mut request: Request| {
                    let log = log.clone();
                    async move {
                        let body = request.take_body().into_vec().await?;
                        let (written, on_disk) = oneshot::channel();
                        log.send((body, written)).await.map_err(|_| poem::error::InternalServerError(Ended))?;
                        on_disk.await.map_err(poem::error::InternalServerError)?;
                        Ok::<_, poem::Error>(ANSWER)
                    }
                }))
                .await;
            }
        }
    });
}

#[derive(Debug, thiserror::Error)]
#[error("the log has ended")]
struct Ended;

async fn run<E: Endpoint + 'static>(endpoint: E) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let acceptor = TcpAcceptor::from_tokio(listener).expect("an acceptor");
    Server::new_with_acceptor(acceptor).run(endpoint).await.expect("it serves");
}

/// Whatever waits becomes one write and one flush, then everyone is answered.
fn append(mut queue: mpsc::Receiver<Waiting>) -> Option<Infallible> {
    let mut log = File::create("append.log").expect("the log");
    let (mut group, mut bytes) = (Vec::with_capacity(GROUP), Vec::new());
    loop {
        group.push(queue.blocking_recv()?);
        while group.len() < GROUP
            && let Ok(one) = queue.try_recv()
        {
            group.push(one);
        }
        bytes.clear();
        for (body, _) in &group {
            bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
            bytes.extend_from_slice(body);
        }
        log.write_all(&bytes).and_then(|()| log.sync_data()).expect("the disk has room");
        for (_, written) in group.drain(..) {
            let _ = written.send(());
        }
    }
}
