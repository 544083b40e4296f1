//! Fan-outs: lists of devices by which the copies of a flood leave together. A program's `bpf_clone_redirect` gives every copy
//! memory of its own for the frame's head; tc's `mirred` action gives it none. So where many copies with the same tag leave, the
//! program names a list by the frame's mark and sends it by a device of the switch's own, which is down and at whose egress each
//! list is a filter: it takes what has the list's mark, and its actions send a copy by each device.
//!
//! A list never changes: another has another number. One that no flow names any more goes when no frame can be on its way to it.

use super::backplane;
use super::link::{Links, Message};
use super::slots::Content;
use std::collections::BTreeMap;
use std::io;

/// Lists there may be: a frame is compared with the mark of one after the other, some nanoseconds each.
const LISTS: u16 = 64;
/// Fewer copies are sent one by one.
const LEAST: usize = 3;
/// How long a list that no flow names is kept (nanoseconds).
const REST: u64 = 1_000_000_000;
/// What is sent to a list is marked with, beside its number: FANOUT in mona.bpf.c.
const MARK: u32 = backplane::MARK & 0xffff_0000;

/// TC_H_CLSACT; the same as the parent of what is at egress; its own handle.
const CLSACT: u32 = 0xffff_fff1;
const AT_EGRESS: u32 = 0xffff_fff3;
const CLSACT_HANDLE: u32 = 0xffff_0000;
/// Preference 1, for all protocols (ETH_P_ALL, in network order).
const OF_ALL: u32 = 1 << 16 | 0x0300;
/// Attributes of cls_bpf, of actions, of act_mirred.
const TCA_BPF_ACT: u16 = 1;
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// What a mirror does, and what becomes of the frame then; the same of a redirect, the last of a list.
const MIRROR: [u32; 2] = [2, 3];
const REDIRECT: [u32; 2] = [1, 4];

/// A list that the kernel has.
struct List {
    members: Vec<u32>,
    /// So many flows name it,
    users: usize,
    /// or none since then, as far as anybody with a clock knows.
    idle: Option<u64>,
    /// One of its devices is gone or another by now.
    broken: bool,
}

/// The lists of a switch.
pub(super) struct Fanouts {
    links: Links,
    device: u32,
    lists: BTreeMap<u16, List>,
}

impl Fanouts {
    /// At this device, which is nobody else's. An error if the kernel does not know the filter or the action.
    pub(super) fn open(device: u32) -> io::Result<Fanouts> {
        let fanouts = Fanouts { links: Links::open()?, device, lists: BTreeMap::new() };
        let create = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
        let mut qdisc = Message::about(libc::RTM_NEWQDISC, create, [device, CLSACT_HANDLE, CLSACT, 0]);
        qdisc.string(libc::TCA_KIND, "clsact");
        match fanouts.links.tell(qdisc) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
            _ => {}
        }
        // No list has this number.
        fanouts.enter(0, &[device])?;
        fanouts.delete(0)?;
        Ok(fanouts)
    }

    /// The same with many copies leaving together: by which list?
    pub(super) fn gather(&mut self, content: &Content) -> (Content, Option<u16>) {
        let (mut content, mut list) = (*content, None);
        if let Content::Decided { ifindex, also, .. } = &mut content
            && usize::from(also.count) >= LEAST - 1
        {
            let members = also.together(*ifindex);
            list = if members.len() < LEAST { None } else { self.retain(&members) };
            also.fanout = list.unwrap_or(0);
        }
        (content, list)
    }

    /// The list of these devices, for one more flow. `None`: there are too many, or the kernel refuses it.
    fn retain(&mut self, members: &[u32]) -> Option<u16> {
        let known = self.lists.iter().find(|(_, list)| !list.broken && list.members == members);
        let number = match known {
            Some((number, _)) => *number,
            None => {
                let free = (1..=LISTS).find(|number| !self.lists.contains_key(number))?;
                self.enter(free, members).ok()?;
                self.lists.insert(free, List { members: members.into(), users: 0, idle: None, broken: false });
                free
            }
        };
        let list = self.lists.get_mut(&number)?;
        (list.users, list.idle) = (list.users + 1, None);
        Some(number)
    }

    /// One flow less names it.
    pub(super) fn release(&mut self, number: u16) {
        self.lists.get_mut(&number).into_iter().for_each(|list| list.users -= 1);
    }

    /// A flow of a predecessor names it: is it there?
    pub(super) fn adopt(&mut self, number: u16, members: &[u32]) -> bool {
        if let Some(list) = self.lists.get_mut(&number) {
            let same = list.members == members;
            list.users += usize::from(same);
            return same;
        }
        let ask = Message::about(libc::RTM_GETTFILTER, 0, self.at(number));
        let there = (1..=LISTS).contains(&number) && self.links.tell(ask).is_ok_and(|filter| filter.is_some());
        if there {
            self.lists.insert(number, List { members: members.into(), users: 1, idle: None, broken: false });
        }
        there
    }

    /// What a predecessor left and nobody has adopted goes.
    pub(super) fn sweep(&self) {
        let unknown = (1..=LISTS).filter(|number| !self.lists.contains_key(number));
        // Most are not there.
        unknown.for_each(|number| drop(self.delete(number)));
    }

    /// A device is gone, or will be another when it comes back: no flow is given a list with it.
    pub(super) fn forget(&mut self, device: u32) {
        let with = |list: &&mut List| list.members.contains(&device);
        self.lists.values_mut().filter(with).for_each(|list| list.broken = true);
    }

    /// Takes out what has not been named for a while.
    pub(super) fn settle(&mut self, now: u64) {
        let unused = self.lists.iter_mut().filter(|(_, list)| list.users == 0);
        let since = unused.map(|(number, list)| (*number, *list.idle.get_or_insert(now)));
        let rested: Vec<_> = since.filter(|(_, since)| since.saturating_add(REST) <= now).collect();
        for (number, _) in rested {
            // What cannot be deleted stays known, so that nobody else is given its number.
            if self.delete(number).is_ok() {
                self.lists.remove(&number);
            }
        }
    }

    /// The message's header: the filter of this number.
    fn at(&self, number: u16) -> [u32; 4] {
        [self.device, u32::from(number) + 1, AT_EGRESS, OF_ALL]
    }

    fn enter(&self, number: u16, members: &[u32]) -> io::Result<()> {
        let create = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
        let mut filter = Message::about(libc::RTM_NEWTFILTER, create, self.at(number));
        filter.string(libc::TCA_KIND, "bpf");
        let options = filter.begin(libc::TCA_OPTIONS);
        let marked = marked(MARK | u32::from(number));
        filter.bytes(TCA_BPF_OPS_LEN, &(marked.len() as u16).to_ne_bytes());
        filter.bytes(TCA_BPF_OPS, marked.concat().as_slice());
        let actions = filter.begin(TCA_BPF_ACT);
        for (order, member) in (1..).zip(members) {
            let [what, then] = if usize::from(order) < members.len() { MIRROR } else { REDIRECT };
            let action = filter.begin(order);
            filter.string(TCA_ACT_KIND, "mirred");
            let options = filter.begin(TCA_ACT_OPTIONS);
            // index, capabilities, action, two counts; what, by which device
            let words = [0, 0, then, 0, 0, what, *member].map(u32::to_ne_bytes);
            filter.bytes(TCA_MIRRED_PARMS, words.as_flattened());
            filter.end(options);
            filter.end(action);
        }
        filter.end(actions);
        filter.end(options);
        self.links.tell(filter).map(drop)
    }

    fn delete(&self, number: u16) -> io::Result<()> {
        self.links.tell(Message::about(libc::RTM_DELTFILTER, 0, self.at(number))).map(drop)
    }
}

/// Classic BPF that takes what has this mark (`struct sock_filter`: code, where to if so and if not, a word).
fn marked(mark: u32) -> [[u8; 8]; 4] {
    const SKF_AD_MARK: u32 = -0x1000i32 as u32 + 20;
    let line = |code: u16, yes: u8, no: u8, word: u32| {
        let ([a, b], [c, d, e, f]) = (code.to_ne_bytes(), word.to_ne_bytes());
        [a, b, yes, no, c, d, e, f]
    };
    let [load, compare, ret] = [0x20, 0x15, 0x06];
    [line(load, 0, 0, SKF_AD_MARK), line(compare, 0, 1, mark), line(ret, 0, 0, u32::MAX), line(ret, 0, 0, 0)]
}
