//! Reads a log line by line and finds what is wrong with it, in memory that does not grow with the log.

use quartermaster_types::{AuditId, EnvironmentId, Timestamp};

use crate::export::{FORMAT, FORMAT_VERSION};
use crate::{
    Checkpoint, CheckpointKind, Dropped, FINDINGS_MAX, Finding, FindingKind, GENESIS, Hash, Head, Header, Line,
    PublicKey, Record, RecordHasher, Report,
};

/// What the one who verifies knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    /// The key that checkpoints must be signed with. Without it the log's own is taken, which proves only that nothing was
    /// changed by somebody without the key that the log names.
    pub public_key: Option<PublicKey>,
    /// A checkpoint of the same log that was kept elsewhere: the log must contain its record, unless that was dropped.
    pub checkpoint: Option<Checkpoint>,
}

/// What is known of the record before the next.
struct Link {
    /// What its hash can be: as stored; and as computed, where the two differ. None: it is missing.
    hashes: Vec<Hash>,
    /// Whether it fitted.
    sound: bool,
    id: Option<AuditId>,
}

/// Missing records: what stands between is not there (yet).
#[derive(Clone, Copy)]
struct Gap {
    first: i64,
    through: i64,
}

/// Verifies a log. Give it every line in order, then ask for the report.
pub struct Verifier {
    trusted: Trusted,
    environment: Option<EnvironmentId>,
    key: Option<PublicKey>,
    hasher: RecordHasher,
    next: i64,
    link: Link,
    gaps: Vec<Gap>,
    gaps_more: u64,
    /// Records from before the chain that ought to be there.
    unchained: i64,
    first_at: Option<Timestamp>,
    /// The highest checkpoint that the records did not reach.
    beyond: Option<Checkpoint>,
    anchored: bool,
    seen_head: bool,
    ended: bool,
    report: Report,
}

impl Verifier {
    /// A verifier for one log.
    pub fn new(trusted: Trusted) -> Self {
        Self {
            trusted,
            environment: None,
            key: None,
            hasher: RecordHasher::new(),
            next: 1,
            link: Link { hashes: vec![GENESIS], sound: true, id: None },
            gaps: Vec::new(),
            gaps_more: 0,
            unchained: 0,
            first_at: None,
            beyond: None,
            anchored: false,
            seen_head: false,
            ended: false,
            report: Report::default(),
        }
    }

    /// Records that were read so far.
    pub fn records(&self) -> u64 {
        self.report.records + self.report.unchained
    }

    /// The next line.
    pub fn line(&mut self, line: &Line) {
        if self.ended {
            self.malformed("there are lines after the end".to_owned());
            return;
        }
        match (line, self.environment) {
            (Line::Chain(header), None) => self.header(header),
            (Line::Chain(_), Some(_)) => self.malformed("a second log begins within the log".to_owned()),
            (Line::End {}, _) => self.ended = true,
            (_, None) => self.malformed("a line stands before the one that says whose log it is".to_owned()),
            (Line::Checkpoint(checkpoint), Some(environment)) => self.checkpoint(checkpoint, environment),
            (Line::Record(record), Some(environment)) => match record.sequence {
                Some(sequence) => self.record(record, sequence, environment),
                None => self.outside(record),
            },
            (Line::Head(head), Some(_)) => self.head(head),
        }
    }

    /// Says that a line could not be read; `place` names it.
    pub fn unreadable(&mut self, place: &str, why: &str) {
        self.malformed(format!("{place}: {why}"));
    }

    fn header(&mut self, header: &Header) {
        if header.format != FORMAT || header.version != FORMAT_VERSION {
            self.malformed(format!(
                "this program reads {FORMAT} in version {FORMAT_VERSION}, the log has another form or version"
            ));
        }
        self.environment = Some(header.environment_id);
        self.unchained = header.unchained;
        let key = self.trusted.public_key.unwrap_or(header.public_key);
        if key != header.public_key {
            self.find(
                FindingKind::Key,
                None,
                format!("the log names the key {}, expected is {key}", header.public_key),
            );
        }
        self.key = Some(key);
        self.report.environment_id = self.environment;
        self.report.public_key = self.key;
    }

    fn record(&mut self, record: &Record, sequence: i64, environment: EnvironmentId) {
        self.report.records += 1;
        if sequence < 1 {
            let detail =
                format!("record {} has the place {sequence}, where places begin at 1: it was added", record.id);
            return self.find(FindingKind::Added, Some((record, sequence)), detail);
        }
        if self.seen_head {
            let detail = format!("record {sequence} stands behind the head of the chain: it was added");
            return self.find(FindingKind::Added, Some((record, sequence)), detail);
        }
        if sequence < self.next {
            return self.late(record, sequence);
        }
        if sequence > self.next {
            self.gap(Gap { first: self.next, through: sequence - 1 });
            self.link = Link { hashes: Vec::new(), sound: true, id: None };
        }
        self.first_at.get_or_insert(record.at);
        self.report.first.get_or_insert(sequence);
        self.report.last = Some(sequence);
        self.check(record, sequence, environment);
        self.next = sequence.saturating_add(1);
        self.anchor(sequence);
    }

    /// A record whose place was passed already.
    fn late(&mut self, record: &Record, sequence: i64) {
        let after = self.next - 1;
        let gap = self.gaps.iter().position(|gap| (gap.first..=gap.through).contains(&sequence));
        let Some(place) = gap else {
            let detail = format!("record {sequence} is there a second time, behind record {after}: it was added");
            return self.find(FindingKind::Added, Some((record, sequence)), detail);
        };
        let gap = self.gaps.remove(place);
        for rest in [
            Gap { first: gap.first, through: sequence - 1 },
            Gap { first: sequence.saturating_add(1), through: gap.through },
        ] {
            if rest.first <= rest.through {
                self.gap(rest);
            }
        }
        let detail = format!("record {sequence} stands behind record {after}: the order was changed");
        self.find(FindingKind::Reordered, Some((record, sequence)), detail);
    }

    /// Whether a record fits the one before it.
    fn check(&mut self, record: &Record, sequence: i64, environment: EnvironmentId) {
        let fields = record.fields(environment);
        let before = std::mem::replace(&mut self.link, Link { hashes: Vec::new(), sound: true, id: None });
        let computed: Vec<Hash> =
            before.hashes.iter().map(|previous| self.hasher.hash(sequence, previous, &fields)).collect();
        self.link.id = Some(record.id);
        let fits = record.hash.is_some_and(|stored| computed.contains(&stored));
        self.link.hashes.extend(record.hash);
        // After a gap there is nothing to check against; the gap is told instead.
        if fits || (before.hashes.is_empty() && record.hash.is_some()) {
            return;
        }
        self.link.sound = false;
        self.link.hashes.extend(computed);
        if before.sound {
            let or_before = match before.id {
                Some(id) => format!(", or record {} ({id}) before it was changed and hashed anew", sequence - 1),
                None => String::new(),
            };
            let detail = format!(
                "record {sequence} does not fit its hash and what comes before it: its contents, its place or its hash \
                 were changed{or_before}"
            );
            self.find(FindingKind::Changed, Some((record, sequence)), detail);
        } else {
            let detail = format!(
                "record {sequence} cannot be checked or was changed too: the hash of record {} before it does not hold",
                sequence - 1
            );
            self.find(FindingKind::Unlinked, Some((record, sequence)), detail);
        }
    }

    fn outside(&mut self, record: &Record) {
        self.report.unchained += 1;
        let later = self.first_at.is_some_and(|first| record.at >= first);
        if self.unchained == 0 || later {
            // Not one of those that may be there.
            self.unchained = self.unchained.saturating_add(i64::from(self.unchained > 0));
            let detail = format!("record {} of {} stands outside the chain: it was added", record.id, record.at);
            self.push(FindingKind::Added, None, Some(record), None, detail);
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, environment: EnvironmentId) {
        let Checkpoint { first, sequence, count, .. } = *checkpoint;
        let signed = self.key.is_some_and(|key| checkpoint.is_signed(environment, &key));
        if !signed {
            let detail = format!(
                "the checkpoint on record {sequence} is not signed by the key: it was changed, or made by somebody else"
            );
            return self.push(FindingKind::Checkpoint, Some(sequence), None, None, detail);
        }
        if first < 1 || count != sequence.saturating_sub(first).saturating_add(1) {
            let detail =
                format!("the checkpoint on record {sequence} covers {count} records from {first}, which cannot be");
            return self.push(FindingKind::Checkpoint, Some(sequence), None, None, detail);
        }
        match checkpoint.kind {
            CheckpointKind::Prune => self.prune(checkpoint),
            CheckpointKind::Head => self.signed_head(checkpoint),
        }
    }

    /// A range that retention dropped; the rest goes on from its hash.
    fn prune(&mut self, checkpoint: &Checkpoint) {
        let Checkpoint { first, sequence, at, .. } = *checkpoint;
        if self.report.records > 0 || first < self.next {
            let detail =
                format!("the statement that records {first} to {sequence} were dropped stands in a wrong place");
            return self.push(FindingKind::Checkpoint, Some(first), None, Some(sequence), detail);
        }
        if first > self.next {
            self.gap(Gap { first: self.next, through: first - 1 });
        }
        if self.report.dropped.len() == FINDINGS_MAX {
            self.report.dropped.remove(0);
        }
        self.report.dropped.push(Dropped { first, through: sequence, at });
        self.next = sequence.saturating_add(1);
        self.link = Link { hashes: vec![checkpoint.hash], sound: true, id: None };
        self.unchained = checkpoint.unchained;
        self.proven(checkpoint);
        self.anchor(sequence);
    }

    fn signed_head(&mut self, checkpoint: &Checkpoint) {
        let sequence = checkpoint.sequence;
        if sequence >= self.next {
            if self.beyond.as_ref().is_none_or(|beyond| beyond.sequence < sequence) {
                self.beyond = Some(checkpoint.clone());
            }
            return;
        }
        if sequence != self.next - 1 {
            let detail = format!(
                "the checkpoint on record {sequence} stands behind record {}: the order was changed",
                self.next - 1
            );
            return self.push(FindingKind::Reordered, Some(sequence), None, None, detail);
        }
        if self.link.hashes.contains(&checkpoint.hash) {
            self.report.checkpoints += 1;
            self.proven(checkpoint);
        } else {
            self.rewritten(sequence, "the signed checkpoint");
        }
    }

    fn proven(&mut self, checkpoint: &Checkpoint) {
        self.report.proven_through = Some(checkpoint.sequence);
        self.report.proven_at = Some(checkpoint.at);
    }

    fn rewritten(&mut self, sequence: i64, what: &str) {
        let first = self.report.proven_through.unwrap_or(0) + 1;
        let detail = format!(
            "the chain does not lead to {what} on record {sequence}: of the records {first} to {sequence} some were \
             replaced, with new hashes"
        );
        self.push(FindingKind::Rewritten, Some(first), None, Some(sequence), detail);
    }

    /// Compares with the checkpoint that was kept elsewhere, when the chain is at it.
    fn anchor(&mut self, sequence: i64) {
        let Some(kept) = self.trusted.checkpoint.as_ref().filter(|kept| kept.sequence <= sequence) else { return };
        let (kept_sequence, fits) = (kept.sequence, self.link.hashes.contains(&kept.hash));
        if !self.anchored && kept_sequence == sequence && !fits {
            self.rewritten(sequence, "the checkpoint that was kept elsewhere");
        }
        self.anchored = true;
    }

    fn head(&mut self, head: &Head) {
        self.seen_head = true;
        let last = self.next - 1;
        if head.sequence > last {
            self.gap(Gap { first: self.next, through: head.sequence });
            self.next = head.sequence.saturating_add(1);
        } else if head.sequence < last {
            let detail = format!(
                "records {} to {last} stand behind the head of the chain, record {}: they were added",
                head.sequence + 1,
                head.sequence
            );
            let id = self.link.id;
            self.push(FindingKind::Added, Some(head.sequence + 1), None, Some(last), detail);
            if let Some(finding) = self.report.findings.last_mut() {
                finding.id = id;
            }
        } else if !self.link.hashes.is_empty() && !self.link.hashes.contains(&head.hash) {
            let detail = format!("the head of the chain has another hash than record {last}, the last one");
            self.push(FindingKind::Changed, Some(last), None, None, detail);
        }
    }

    fn gap(&mut self, gap: Gap) {
        if self.gaps.len() < FINDINGS_MAX {
            self.gaps.push(gap);
        } else {
            self.gaps_more += 1;
        }
    }

    /// What was found in a part of a log: that it stops there is no finding.
    pub fn so_far(mut self) -> Report {
        (self.ended, self.seen_head) = (true, true);
        self.unchained = 0;
        self.beyond = None;
        self.finish()
    }

    /// What was found.
    pub fn finish(mut self) -> Report {
        if self.environment.is_none() {
            self.find(
                FindingKind::Incomplete,
                None,
                "it is not an exported audit log: its first line is missing".to_owned(),
            );
        } else if !self.ended || !self.seen_head {
            self.find(
                FindingKind::Incomplete,
                None,
                "the log stops before its end: lines are missing there".to_owned(),
            );
        }
        if let Some(beyond) = self.beyond.take().filter(|beyond| beyond.sequence >= self.next) {
            let (first, through) = (self.next, beyond.sequence);
            let detail = format!(
                "{} missing, which a signed checkpoint of {} covers: removed at the end",
                records(first, through),
                beyond.at
            );
            self.push(FindingKind::Removed, Some(first), None, Some(through), detail);
        }
        if let Some(kept) = self.trusted.checkpoint.take().filter(|_| !self.anchored && self.environment.is_some()) {
            let detail =
                format!("record {} is missing, which the checkpoint that was kept elsewhere covers", kept.sequence);
            self.push(FindingKind::Removed, Some(kept.sequence), None, Some(kept.sequence), detail);
        }
        self.gaps.sort_by_key(|gap| gap.first);
        for Gap { first, through } in std::mem::take(&mut self.gaps) {
            let detail = format!(
                "{} missing: removed. The record that follows cannot be checked against them",
                records(first, through)
            );
            self.push(FindingKind::Removed, Some(first), None, Some(through), detail);
        }
        self.report.more_findings += self.gaps_more;
        self.count_unchained();
        let last = self.report.last.unwrap_or(0);
        let proven = self.report.proven_through.unwrap_or(0);
        self.report.unproven = u64::try_from(last.saturating_sub(proven)).unwrap_or(0);
        self.report.intact = self.report.findings.is_empty() && self.report.more_findings == 0;
        self.report
    }

    fn count_unchained(&mut self) {
        let there = i64::try_from(self.report.unchained).unwrap_or(i64::MAX);
        if self.ended && self.unchained > 0 && there != self.unchained {
            let kind = if there < self.unchained { FindingKind::Removed } else { FindingKind::Added };
            let detail =
                format!("of the records from before the chain {there} are there, where there were {}", self.unchained);
            self.find(kind, None, detail);
        }
    }

    fn malformed(&mut self, detail: String) {
        self.find(FindingKind::Malformed, None, detail);
    }

    fn find(&mut self, kind: FindingKind, record: Option<(&Record, i64)>, detail: String) {
        self.push(kind, record.map(|(_, sequence)| sequence), record.map(|(record, _)| record), None, detail);
    }

    fn push(
        &mut self,
        kind: FindingKind,
        sequence: Option<i64>,
        record: Option<&Record>,
        through: Option<i64>,
        detail: String,
    ) {
        let (id, at) = (record.map(|record| record.id), record.map(|record| record.at));
        self.report.find(Finding { kind, sequence, through, id, at, detail });
    }
}

/// "record 5 is", "the records 5 to 7 are".
fn records(first: i64, through: i64) -> String {
    if first == through { format!("record {first} is") } else { format!("the records {first} to {through} are") }
}
