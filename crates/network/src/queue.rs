//! What waits to be sent to one peer on one stream: bounded in count and bytes, never waited for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

/// The end where frames are put in.
#[derive(Debug)]
pub(crate) struct Queue {
    frames: mpsc::Sender<Arc<Vec<u8>>>,
    bytes: Arc<AtomicUsize>,
    most_bytes: usize,
}

/// The end where frames are taken out.
#[derive(Debug)]
pub(crate) struct Queued {
    frames: mpsc::Receiver<Arc<Vec<u8>>>,
    bytes: Arc<AtomicUsize>,
}

/// An empty queue.
pub(crate) fn queue(limits: QueueLimits) -> (Queue, Queued) {
    let (sender, receiver) = mpsc::channel(limits.frames);
    let bytes = Arc::new(AtomicUsize::new(0));
    let queue = Queue {
        frames: sender,
        bytes: Arc::clone(&bytes),
        most_bytes: limits.bytes,
    };
    (
        queue,
        Queued {
            frames: receiver,
            bytes,
        },
    )
}

impl Queue {
    /// Puts a frame in; false when there is no room for it and it is dropped.
    pub(crate) fn push(&self, frame: Arc<Vec<u8>>) -> bool {
        let length = frame.len();
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        let kept =
            before.saturating_add(length) <= self.most_bytes && self.frames.try_send(frame).is_ok();
        if !kept {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
        }
        kept
    }

    /// Returns once nothing can be sent any more.
    pub(crate) async fn closed(&self) {
        self.frames.closed().await;
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Queued {
    /// The next frame, once there is one; `None` when no more can come.
    pub(crate) async fn next(&mut self) -> Option<Arc<Vec<u8>>> {
        let frame = self.frames.recv().await?;
        self.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }

    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bounded_in_frames_and_bytes() {
        let frame = |length: usize| Arc::from(vec![0_u8; length]);
        let (queue, mut queued) = queue(QueueLimits {
            frames: 3,
            bytes: 10,
        });
        assert!(queue.push(frame(6)));
        assert!(!queue.push(frame(5)));
        assert!(queue.push(frame(4)));
        assert!(!queue.push(frame(1)));
        assert_eq!(queue.bytes(), 10);
        assert_eq!(queued.next().await.unwrap().len(), 6);
        assert_eq!(queue.bytes(), 4);
        assert!(queue.push(frame(1)) && queue.push(frame(1)));
        assert!(!queue.push(frame(1)), "a fourth frame");
        drop(queue);
        for length in [4, 1, 1] {
            assert_eq!(queued.next().await.unwrap().len(), length);
        }
        assert!(queued.is_empty());
        assert_eq!(queued.next().await, None);
    }
}
