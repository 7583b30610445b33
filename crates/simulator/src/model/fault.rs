//! A body that comes in steps, and may end badly.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Sleep;

use crate::listen::{Socket, reset};

/// One step of a body.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Bytes(Bytes),
    Pause(Duration),
    /// The connection breaks.
    Break,
    /// Nothing more comes, though the connection stays.
    Silence,
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    socket: Socket,
}

impl Answer {
    pub(super) fn new(steps: Vec<Step>, socket: Socket) -> Self {
        Self { steps: steps.into(), pause: None, socket }
    }

    /// The same bytes in pieces of `size`.
    pub(super) fn cut(steps: Vec<Step>, size: usize) -> Vec<Step> {
        let mut cut = Vec::new();
        for step in steps {
            match step {
                Step::Bytes(mut bytes) => {
                    while bytes.len() > size {
                        cut.push(Step::Bytes(bytes.split_to(size)));
                    }
                    cut.push(Step::Bytes(bytes));
                }
                other => cut.push(other),
            }
        }
        cut
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = self.pause.as_mut() {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Step::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Pause(length)) => self.pause = Some(Box::pin(tokio::time::sleep(length))),
                Some(Step::Break) => {
                    reset(&self.socket);
                    return Poll::Ready(Some(Err(io::Error::other("cut on purpose"))));
                }
                Some(Step::Silence) => {
                    self.steps.push_front(Step::Silence);
                    return Poll::Pending;
                }
            }
        }
    }
}
