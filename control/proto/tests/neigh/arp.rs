//! R4-15 and R4-16: ARP.

use crate::world::check;

#[test]
fn r4_15_an_unresolved_destination_is_asked_for_once_a_second_and_its_frames_wait() {
    check(
        "
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5 ttl=9
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        # More frames, no more questions; and no unreachable merely because nothing is known yet.
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5 ttl=8
        +1.5
        > 1 send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        arp 20 reply 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        > again 10 p1 10.0.10.9 > 10.0.20.5 ttl 9 42 bytes
        > again 10 p1 10.0.10.9 > 10.0.20.5 ttl 8 42 bytes
        # The frame and the answer crossed.
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > again 10 p1 10.0.10.9 > 10.0.20.5 ttl 64 42 bytes
        show
        > 20 10.0.20.5 0 0200.0000.0205 reachable
        +2
        # The datapath should have known: it is told again, and the frame does not go round for ever.
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > add 20 10.0.20.5 0200.0000.0205
        ",
    );
}

#[test]
fn r4_16_a_host_that_does_not_answer_is_unreachable_for_a_while() {
    check(
        "
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        +2.9
        > 1 send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        > 2 send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        +0.1
        > 0.1 route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 3/1 about 10.0.10.9 > 10.0.20.5, 56 bytes
        trap 10 unresolved 20 10.0.20.5 10.0.11.9 10.0.20.5
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.11.1 > 10.0.11.9 3/1 about 10.0.11.9 > 10.0.20.5, 56 bytes
        show
        > 20 10.0.20.5 3 incomplete failed
        # It may come to life.
        +5
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        ",
    );
}

#[test]
fn r4_15_announcements_update_who_is_known_and_add_nobody() {
    check(
        "
        arp 20 gratuitous 10.0.20.5 0200.0000.0205
        arp 20 reply 10.0.20.5 0200.0000.0205 10.0.20.1
        show
        # Who asks the router is learned.
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        # The same again changes nothing.
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        arp 20 gratuitous 10.0.20.5 0200.0000.0206
        > add 20 10.0.20.5 0200.0000.0206
        # A question to another host tells where its sender is as well.
        arp 20 request 10.0.20.5 0200.0000.0207 10.0.20.77
        > add 20 10.0.20.5 0200.0000.0207
        # An announcement of one that is waited for is as good as an answer; also after it was given up.
        trap 10 unresolved 20 10.0.20.6 10.0.10.9 10.0.20.6
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.6
        arp 20 gratuitous 10.0.20.6 0200.0000.0206
        > add 20 10.0.20.6 0200.0000.0206
        > again 10 p1 10.0.10.9 > 10.0.20.6 ttl 64 42 bytes
        ",
    );
}

#[test]
fn r4_15_foreign_senders_and_foreign_targets() {
    check(
        "
        # A sender of another subnet is not learned, nor are broadcast addresses, 0.0.0.0, or group MAC addresses.
        arp 20 request 10.0.10.5 0200.0000.0205 10.0.20.1
        arp 20 request 10.0.20.0 0200.0000.0205 10.0.20.1
        arp 20 request 10.0.20.255 0200.0000.0205 10.0.20.1
        arp 20 request 0.0.0.0 0200.0000.0205 10.0.20.1
        arp 20 request 10.0.20.5 0300.0000.0205 10.0.20.1
        arp 20 request 10.0.20.5 0000.0000.0000 10.0.20.1
        # The switch's own frames come back to it.
        arp 20 request 10.0.20.5 0200.0000.0014 10.0.20.1
        # Of other kinds of addresses.
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1 spoil=1
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1 spoil=3
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1 spoil=5
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1 spoil=7
        # Nobody is answered: Linux answers for the router, and for others nobody is to.
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.10.1
        arp 20 request 10.0.20.5 0200.0000.0205 203.0.113.7
        show
        # Where there is no interface nothing is heard.
        arp 99 request 10.0.20.5 0200.0000.0205 10.0.20.1
        ",
    );
}

#[test]
fn r4_15_static_entries_win() {
    check(
        "
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        set 20 static 10.0.20.5 0200.0000.0555
        > add 20 10.0.20.5 0200.0000.0555
        set 20 static 10.0.20.6 0200.0000.0666
        > add 20 10.0.20.6 0200.0000.0666
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        used 20 10.0.20.5
        linkdown 20
        clear 4
        +100000
        show
        > 20 10.0.20.5 - 0200.0000.0555 static
        > 20 10.0.20.6 - 0200.0000.0666 static
        set 20 static 10.0.20.6
        > remove 20 10.0.20.6
        set 20 up off
        > remove 20 10.0.20.5
        set 20 up on
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 announced
        > add 20 10.0.20.5 0200.0000.0555
        remove 20
        > remove 20 10.0.20.5
        ",
    );
}

#[test]
fn r4_15_frames_that_wait_leave_when_the_line_is_configured() {
    check(
        "
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        set 20 static 10.0.20.5 0200.0000.0555
        > add 20 10.0.20.5 0200.0000.0555
        > again 10 p1 10.0.10.9 > 10.0.20.5 ttl 64 42 bytes
        ",
    );
}

#[test]
fn r4_15_a_lost_link_and_a_new_subnet_forget_what_was_learned() {
    check(
        "
        set 10 static 10.0.10.6 0200.0000.0106
        > add 10 10.0.10.6 0200.0000.0106
        arp 10 request 10.0.10.5 0200.0000.0105 10.0.10.1
        > add 10 10.0.10.5 0200.0000.0105
        arp 10 request 10.0.11.5 0200.0000.0115 10.0.11.1
        > add 10 10.0.11.5 0200.0000.0115
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        # The secondary address goes, and with it its neighbours.
        set 10 address 10.0.10.1/24
        > remove 10 10.0.11.5
        # A longer prefix.
        set 10 address 10.0.10.1/30
        > remove 10 10.0.10.5
        set 10 address 10.0.10.1/24
        arp 10 request 10.0.10.5 0200.0000.0105 10.0.10.1
        > add 10 10.0.10.5 0200.0000.0105
        linkdown 10
        > remove 10 10.0.10.5
        show
        > 10 10.0.10.6 - 0200.0000.0106 static
        > 20 10.0.20.5 0 0200.0000.0205 reachable
        clear 4 20
        > remove 20 10.0.20.5
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        clear 6
        clear 4 10
        clear 4 20 10.0.20.6
        clear 4 20 10.0.20.5
        > remove 20 10.0.20.5
        # The router takes the address of a host.
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        set 20 address 10.0.20.5/24
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.5 0200.0000.0014 announced
        > remove 20 10.0.20.5
        ",
    );
}

#[test]
fn r4_15_a_neighbour_in_use_is_asked_before_it_ages_and_an_idle_one_goes() {
    check(
        "
        set 20 arp-timeout 100
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        arp 20 request 10.0.20.6 0200.0000.0206 10.0.20.1
        > add 20 10.0.20.6 0200.0000.0206
        used 20 10.0.20.5
        # Stale from between 50 and 75 s on; Used is said every few seconds.
        +88
        show
        > 20 10.0.20.5 88 0200.0000.0205 stale
        > 20 10.0.20.6 88 0200.0000.0206 stale
        used 20 10.0.20.5
        > send 20 0200.0000.0014 > 0200.0000.0205 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        +1
        > 1 send 20 0200.0000.0014 > 0200.0000.0205 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        arp 20 reply 10.0.20.5 0200.0000.0205 10.0.20.1
        +20
        > 11 remove 20 10.0.20.6
        show
        > 20 10.0.20.5 20 0200.0000.0205 reachable
        +68
        used 20 10.0.20.5
        > send 20 0200.0000.0014 > 0200.0000.0205 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        # No answer: frames go there until it is given up, then everybody is asked.
        +5
        > 1 send 20 0200.0000.0014 > 0200.0000.0205 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        > 2 send 20 0200.0000.0014 > 0200.0000.0205 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        > 3 remove 20 10.0.20.5
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        # `arp timeout 0`: never.
        set 20 arp-timeout 0
        arp 20 reply 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        > again 10 p1 10.0.10.9 > 10.0.20.5 ttl 64 42 bytes
        +1000000
        used 20 10.0.20.5
        ",
    );
}

#[test]
fn r4_15_queues_keep_the_latest_within_their_bounds() {
    check(
        "
        limit frames 2
        limit unresolved 2
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5 ttl=1
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5 ttl=2
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5 ttl=3
        +0.1
        trap 10 unresolved 20 10.0.20.6 10.0.10.9 10.0.20.6 ttl=1
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.6
        # The third pushes out the first.
        trap 10 unresolved 20 10.0.20.7 10.0.10.9 10.0.20.7 ttl=1
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.7
        show
        > 20 10.0.20.6 0 incomplete incomplete
        > 20 10.0.20.7 0 incomplete incomplete
        arp 20 gratuitous 10.0.20.5 0200.0000.0205
        limit unresolved 9
        trap 10 unresolved 20 10.0.20.8 10.0.10.9 10.0.20.8 ttl=1
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.8
        trap 10 unresolved 20 10.0.20.8 10.0.10.9 10.0.20.8 ttl=2
        trap 10 unresolved 20 10.0.20.8 10.0.10.9 10.0.20.8 ttl=3
        arp 20 gratuitous 10.0.20.8 0200.0000.0208
        > add 20 10.0.20.8 0200.0000.0208
        > again 10 p1 10.0.10.9 > 10.0.20.8 ttl 2 42 bytes
        > again 10 p1 10.0.10.9 > 10.0.20.8 ttl 3 42 bytes
        limit frames 9
        limit bytes 100
        trap 10 unresolved 20 10.0.20.9 10.0.10.9 10.0.20.9 ttl=1
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.9
        trap 10 unresolved 20 10.0.20.9 10.0.10.9 10.0.20.9 ttl=2
        trap 10 unresolved 20 10.0.20.9 10.0.10.9 10.0.20.9 ttl=3 len=20
        arp 20 gratuitous 10.0.20.9 0200.0000.0209
        > add 20 10.0.20.9 0200.0000.0209
        > again 10 p1 10.0.10.9 > 10.0.20.9 ttl 2 42 bytes
        > again 10 p1 10.0.10.9 > 10.0.20.9 ttl 3 54 bytes
        ",
    );
}

#[test]
fn r4_15_a_full_table_forgets_who_expires_first() {
    check(
        "
        limit neighbours 2
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        +300
        arp 20 request 10.0.20.6 0200.0000.0206 10.0.20.1
        > add 20 10.0.20.6 0200.0000.0206
        +300
        arp 20 request 10.0.20.7 0200.0000.0207 10.0.20.1
        > remove 20 10.0.20.5
        > add 20 10.0.20.7 0200.0000.0207
        # Static ones are not counted.
        set 20 static 10.0.20.9 0200.0000.0209
        > add 20 10.0.20.9 0200.0000.0209
        # Another interface's share is its own; the sum of all has a bound too, and who comes goes.
        arp 10 request 10.0.10.5 0200.0000.0105 10.0.10.1
        > add 10 10.0.10.5 0200.0000.0105
        limit total 3
        arp 10 request 10.0.10.6 0200.0000.0106 10.0.10.1
        > remove 10 10.0.10.5
        > add 10 10.0.10.6 0200.0000.0106
        ",
    );
}

#[test]
fn r4_15_a_scan_does_not_flood_the_link_with_requests() {
    check(
        "
        limit requests 2
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        trap 10 unresolved 20 10.0.20.6 10.0.10.9 10.0.20.6
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.6
        trap 10 unresolved 20 10.0.20.7 10.0.10.9 10.0.20.7
        +0.9
        arp 20 reply 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        > again 10 p1 10.0.10.9 > 10.0.20.5 ttl 64 42 bytes
        +0.1
        > 0.1 send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.6
        > 0.1 send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.7
        # Who cannot be asked is given up all the same.
        limit requests 0
        trap 10 unresolved 20 10.0.20.8 10.0.10.9 10.0.20.8
        clear 4 20 10.0.20.6
        clear 4 20 10.0.20.7
        +6
        > 6 route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 3/1 about 10.0.10.9 > 10.0.20.8, 56 bytes
        ",
    );
}

#[test]
fn r4_15_what_waits_longest_makes_room() {
    check(
        "
        limit held 100
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.5
        +0.1
        trap 10 unresolved 20 10.0.20.6 10.0.10.9 10.0.20.6
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.6
        trap 10 unresolved 20 10.0.20.6 10.0.10.9 10.0.20.6 ttl=9
        # It is waited for still.
        arp 20 reply 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        arp 20 reply 10.0.20.6 0200.0000.0206 10.0.20.1
        > add 20 10.0.20.6 0200.0000.0206
        > again 10 p1 10.0.10.9 > 10.0.20.6 ttl 64 42 bytes
        > again 10 p1 10.0.10.9 > 10.0.20.6 ttl 9 42 bytes
        # Too long for any room.
        trap 10 unresolved 20 10.0.20.7 10.0.10.9 10.0.20.7 len=90
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.7
        arp 20 reply 10.0.20.7 0200.0000.0207 10.0.20.1
        > add 20 10.0.20.7 0200.0000.0207
        ",
    );
}

#[test]
fn neighbours_from_before_a_restart() {
    check(
        "
        known 20 10.0.20.5 0200.0000.0205
        > add 20 10.0.20.5 0200.0000.0205
        known 20 2001:db8:20::5 0200.0000.0205
        > add 20 2001:db8:20::5 0200.0000.0205
        # The configuration may be another: no neighbours here any more.
        known 10 10.0.20.5 0200.0000.0205
        known 20 10.0.20.1 0200.0000.0205
        known 20 10.0.20.6 0300.0000.0205
        known 99 10.0.20.5 0200.0000.0205
        # What is known now is known better.
        arp 20 reply 10.0.20.5 0200.0000.0206 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0206
        known 20 10.0.20.5 0200.0000.0205
        known 20 10.0.20.7 0200.0000.0207
        > add 20 10.0.20.7 0200.0000.0207
        used 20 10.0.20.7
        > send 20 0200.0000.0014 > 0200.0000.0207 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.7
        +3
        > 1 send 20 0200.0000.0014 > 0200.0000.0207 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.7
        > 2 send 20 0200.0000.0014 > 0200.0000.0207 arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.7
        > 3 remove 20 10.0.20.7
        ",
    );
}

#[test]
fn next_hops_that_no_host_can_have() {
    check(
        "
        trap 10 unresolved 20 10.0.20.1 10.0.10.9 10.0.20.1
        trap 10 unresolved 20 10.0.20.255 10.0.10.9 10.0.20.255
        trap 10 unresolved 20 10.0.20.0 10.0.10.9 10.0.20.0
        trap 10 unresolved 20 255.255.255.255 10.0.10.9 255.255.255.255
        trap 10 unresolved 20 224.0.0.5 10.0.10.9 224.0.0.5
        trap 10 unresolved 20 0.0.0.0 10.0.10.9 10.0.20.5
        trap 10 unresolved 99 10.0.20.5 10.0.10.9 10.0.20.5
        set 20 address
        trap 10 unresolved 20 10.0.20.5 10.0.10.9 10.0.20.5
        # A prefix of 31 bits has no broadcast address (RFC 3021). A route may lead to a link for what is not in its prefix.
        set 20 address 10.0.20.1/31
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 announced
        trap 10 unresolved 20 10.0.20.0 10.0.10.9 10.0.20.0
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 10.0.20.0
        trap 10 unresolved 20 198.51.100.7 10.0.10.9 198.51.100.7
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 10.0.20.1 0200.0000.0014 asks for 198.51.100.7
        arp 20 reply 198.51.100.7 0200.0000.0207 10.0.20.1
        > add 20 198.51.100.7 0200.0000.0207
        > again 10 p1 10.0.10.9 > 198.51.100.7 ttl 64 42 bytes
        set 20 up off
        > remove 20 198.51.100.7
        trap 10 unresolved 20 10.0.20.0 10.0.10.9 10.0.20.0
        ",
    );
}

#[test]
fn rfc_5227_2_3_new_addresses_are_announced_twice() {
    check(
        "
        # What stays is not announced again.
        set 10 address 10.0.10.1/24 10.0.12.1/24
        > send 10 0200.0000.000a > ffff.ffff.ffff arp 10.0.12.1 0200.0000.000a announced
        set 10 proxy-arp on
        +10
        > 2 send 10 0200.0000.000a > ffff.ffff.ffff arp 10.0.12.1 0200.0000.000a announced
        set 10 address 10.0.12.1/24 10.0.10.1/25
        # Another MAC address, and an interface that comes up: all of them.
        set 10 mac 0200.0000.aaaa
        > send 10 0200.0000.aaaa > ffff.ffff.ffff arp 10.0.12.1 0200.0000.aaaa announced
        > send 10 0200.0000.aaaa > ffff.ffff.ffff arp 10.0.10.1 0200.0000.aaaa announced
        +1
        set 10 up off
        +10
        set 10 up on
        > send 10 0200.0000.aaaa > ffff.ffff.ffff arp 10.0.12.1 0200.0000.aaaa announced
        > send 10 0200.0000.aaaa > ffff.ffff.ffff arp 10.0.10.1 0200.0000.aaaa announced
        # Who is gone is not announced again.
        +1
        set 10 address 10.0.12.1/24
        +10
        > 1 send 10 0200.0000.aaaa > ffff.ffff.ffff arp 10.0.12.1 0200.0000.aaaa announced
        ",
    );
}

#[test]
fn another_station_with_the_routers_address_is_complained_of() {
    check(
        "
        arp 20 gratuitous 10.0.20.1 0200.0000.0205
        > log %IP-4-DUPADDR: Duplicate address 10.0.20.1 on Vlan20, sourced by 0200.0000.0205
        arp 20 reply 10.0.20.1 0200.0000.0205 10.0.20.9
        +30
        arp 20 reply 10.0.20.1 0200.0000.0205 10.0.20.9
        > log %IP-4-DUPADDR: Duplicate address 10.0.20.1 on Vlan20, sourced by 0200.0000.0205
        # It is the router.
        arp 20 gratuitous 10.0.20.1 0200.0000.0014
        show
        ",
    );
}

#[test]
fn proxy_arp_answers_for_what_is_routed_elsewhere() {
    check(
        "
        set 20 proxy-arp on
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.10.7
        > send 20 0200.0000.0014 > 0200.0000.0205 arp 10.0.10.7 is 0200.0000.0014 for 10.0.20.5
        arp 20 request 10.0.20.5 0200.0000.0205 203.0.113.7
        > send 20 0200.0000.0014 > 0200.0000.0205 arp 203.0.113.7 is 0200.0000.0014 for 10.0.20.5
        # Not for its own hosts, not where there is no route, not for the router itself, which Linux does.
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.7
        arp 20 request 10.0.20.5 0200.0000.0205 192.0.2.7
        arp 20 request 10.0.20.5 0200.0000.0205 10.0.20.1
        > add 20 10.0.20.5 0200.0000.0205
        # Not a stranger, a probe, an announcement, or an answer; not for groups, loopback, or link-local addresses.
        arp 20 request 10.0.30.5 0200.0000.0205 203.0.113.7
        arp 20 request 0.0.0.0 0200.0000.0205 203.0.113.7
        arp 20 gratuitous 203.0.113.7 0200.0000.0205
        arp 20 reply 10.0.20.5 0200.0000.0205 203.0.113.7
        arp 20 request 10.0.20.5 0200.0000.0205 224.0.0.5
        arp 20 request 10.0.20.5 0200.0000.0205 255.255.255.255
        arp 20 request 10.0.20.5 0200.0000.0205 127.0.0.1
        arp 20 request 10.0.20.5 0200.0000.0205 169.254.0.9
        # The others are not asked.
        arp 10 request 10.0.10.5 0200.0000.0105 203.0.113.7
        ",
    );
}

#[test]
fn who_is_behind_an_interface_by_a_route_is_a_neighbour() {
    check(
        "
        # An interface that borrows its address has no prefix.
        set 20 address 192.0.2.1/32
        > send 20 0200.0000.0014 > ffff.ffff.ffff arp 192.0.2.1 0200.0000.0014 announced
        +10
        > 2 send 20 0200.0000.0014 > ffff.ffff.ffff arp 192.0.2.1 0200.0000.0014 announced
        set 20 proxy-arp on
        arp 20 request 198.51.100.5 0200.0000.0205 192.0.2.1
        > add 20 198.51.100.5 0200.0000.0205
        arp 20 request 198.51.100.5 0200.0000.0205 10.0.10.7
        > send 20 0200.0000.0014 > 0200.0000.0205 arp 10.0.10.7 is 0200.0000.0014 for 198.51.100.5
        arp 20 request 198.51.100.5 0200.0000.0205 198.51.100.6
        known 20 198.51.100.6 0200.0000.0206
        > add 20 198.51.100.6 0200.0000.0206
        # Nobody else.
        arp 20 request 10.0.10.5 0200.0000.0205 192.0.2.1
        arp 20 request 10.0.10.5 0200.0000.0205 203.0.113.7
        known 20 10.0.10.5 0200.0000.0205
        ",
    );
}
