//! A TCP stream that does not wait for ever for a peer that sends nothing or has stopped reading.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::web::server::connections::{ConnectionPhase, OpenConnection};
use crate::web::server::limits::ListenerLimits;

/// A stream whose reads fail with [`io::ErrorKind::TimedOut`] when a request's head is not whole after `header_timeout` or
/// nothing of a next request has come after `idle_timeout`, and its writes once none has made progress for `write_timeout`.
/// Reads of a body wait as long as their caller does.
pub struct TimedStream {
    stream: TokioIo<TcpStream>,
    connection: Arc<OpenConnection>,
    limits: ListenerLimits,
    /// Set while a read waits for a head.
    overdue: Option<Pin<Box<Sleep>>>,
    /// Set while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl TimedStream {
    pub fn new(stream: TcpStream, connection: Arc<OpenConnection>, limits: ListenerLimits) -> Self {
        Self { stream: TokioIo::new(stream), connection, limits, overdue: None, stalled: None }
    }

    pub fn into_inner(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Until when the peer may be silent; `None` while it is not its turn, or its body has a time of its own.
    fn silent_until(&self) -> Option<Instant> {
        match self.connection.phase() {
            (ConnectionPhase::Resting, since) => Some(since + self.limits.idle_timeout),
            (ConnectionPhase::Head, since) => Some(since + self.limits.header_timeout),
            (
                ConnectionPhase::Body | ConnectionPhase::Answering | ConnectionPhase::Busy | ConnectionPhase::Queued,
                _,
            ) => None,
        }
    }

    fn limited<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let patience = self.limits.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(timed_out("the peer does not read"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl Read for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_ready() {
            // The first bytes after a rest begin a head, whose time counts from now.
            if self.connection.phase().0 == ConnectionPhase::Resting {
                self.connection.enter(ConnectionPhase::Head);
            }
            return polled;
        }
        let Some(until) = self.silent_until() else {
            self.overdue = None;
            return Poll::Pending;
        };
        let overdue = self.overdue.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if overdue.deadline() != until {
            overdue.as_mut().reset(until);
        }
        match overdue.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(timed_out("no whole request head came in time"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Write for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.limited(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.limited(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
