"""Each kind of traffic, from the scenario to the figures: a law that holds for any path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from virtsim import experiment
from virtsim.result import Result
from virtsim.scenario import Scenario

DIRECTIONS = ("tx", "rx", "pvp", "v2v")


def played(
    traffic: dict[str, Any], *, path: str = "sriov", direction: str = "tx", driver: str = "dpdk"
) -> Result:
    """Return the result of one path on some traffic, with no warm-up and every packet's stamps."""
    data = {
        "virtsim": 1, "name": "traffic", "profile": "skylake-2018-mitig", "direction": direction,
        "traffic": traffic, "paths": [path], "seed": 1, "warmup": "0%", "guest": {"driver": driver},
    }  # fmt: skip
    return experiment.run(Scenario.of(data), workers=1, packets=True)


def stamps(result: Result) -> pd.DataFrame:
    """Return the packets, all of them delivered."""
    packets = result.packets
    assert (packets.delivered_ps >= 0).all()
    return packets


def test_onoff_keeps_its_mean_rate_and_its_pace() -> None:
    """The mean rate over bursts and silences is as asked for; inside a burst it is rate / duty.

    Of n packets about n / B begin a burst, each after an exponential silence of mean
    B (1 - duty) / rate. The time of n packets therefore has a relative deviation of
    (1 - duty) sqrt(2 B / n): 4.6 % for 6000 packets in bursts of 8, duty 10 %.
    """
    asked = {"kind": "onoff", "rate": "500kpps", "size": "64B", "packets": 6000}
    result = played({**asked, "burst": 8, "duty": "10%"})
    (run,) = result.summaries
    assert run["offered_pps"] == pytest.approx(500e3, rel=4 * 0.046)
    assert run["delivered_pps"] == pytest.approx(run["offered_pps"], rel=1e-3)
    gaps = np.diff(stamps(result).arrived_ps)
    within = gaps[gaps <= 200_001]  # 1 / (500 kpps / 10 %) = 200 ns, and the ps of rounding
    assert within.min() >= 199_999
    assert 1 - len(within) / len(gaps) == pytest.approx(1 / 8, rel=4 * np.sqrt(7 / 6000))


def test_mmpp_keeps_its_mean_rate() -> None:
    """The mean rate is that of the states, weighed by their mean stays.

    (100 kpps x 60 us + 2 Mpps x 20 us) / 80 us = 575 kpps, 46 packets a round of 80 us on average.
    The packets of a round are 6 and 40 times an exponential and then Poisson: variance
    36 + 1600 + 46, so over 130 rounds the relative deviation is sqrt(1682 / 130) / 46: 7.8 %; the
    rounds' own length, two exponentials, adds sqrt((36 + 4) / 64 / 130): 6.9 %.
    """
    states = [{"rate": "100kpps", "stay": "60us"}, {"rate": "2Mpps", "stay": "20us"}]
    result = played({"kind": "mmpp", "states": states, "size": "64B", "packets": 6000})
    (run,) = result.summaries
    assert run["offered_pps"] == pytest.approx(575e3, rel=3 * 0.104)
    counts = np.bincount(stamps(result).arrived_ps // 20_000_000)
    assert counts.var() > 5 * counts.mean()  # a Poisson process would have 1


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_imix_shares_are_exact(direction: str) -> None:
    """Of every twelve frames seven are short, four medium and one long, in bytes copied too.

    A twelve has 7 x 64 + 4 x 594 + 1518 = 4342 bytes. vhost-net copies each byte once on every
    guest's ring that the packet crosses: once in tx and rx, twice in pvp and v2v.
    """
    traffic = {"kind": "imix", "rate": "100kpps", "packets": 600}
    result = played(traffic, path="vhost-net", direction=direction)
    sizes = stamps(result).size_b.to_numpy().reshape(-1, 12)
    assert (np.sort(sizes, axis=1) == [64] * 7 + [594] * 4 + [1518]).all()
    (run,) = result.summaries
    copies = 1 if direction in ("tx", "rx") else 2
    assert run["per_packet"]["copied_bytes"] * 12 == pytest.approx(copies * 4342)
    assert run["goodput_bps"] == pytest.approx(run["delivered_pps"] * 4342 / 12 * 8)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("path", ["virtio-qemu", "vhost-user-ovs", "sriov"])
def test_a_closed_loop_obeys_littles_law(path: str, direction: str) -> None:
    """N packets under way: N = X (R + Z), and each completion releases a packet a think time later.

    R is the mean latency, Z the think time, X the rate of arrivals; all are of the whole run. A
    run of n packets is n / N rounds of R + Z, of which the last thinks for nobody: 1 in n / N.
    """
    n, outstanding, think_ps = 800, 8, 5_000_000
    traffic = {"kind": "request", "size": "64B", "packets": n, "think": "5us"}
    result = played({**traffic, "outstanding": outstanding}, path=path, direction=direction)
    packets = stamps(result).sort_values("arrived_ps", kind="stable")
    arrived, delivered = packets.arrived_ps.to_numpy(), packets.delivered_ps.to_numpy()
    assert (arrived[:outstanding] == 0).all()
    assert (arrived[outstanding:] == delivered[:-outstanding] + think_ps).all()
    (run,) = result.summaries
    response_s = run["latency_ns"]["mean"] * 1e-9
    found = run["offered_pps"] * (response_s + think_ps * 1e-12)
    assert found == pytest.approx(outstanding, rel=outstanding / n)


def test_a_saturating_sender_is_the_first_guest() -> None:
    """Between two guests ``saturate`` is a sender that always has a packet, as in tx.

    It stamps a packet when it starts it, so the rates of arrival and delivery agree.
    """
    result = played({"kind": "saturate", "size": "64B", "packets": 2000}, direction="v2v")
    (run,) = result.summaries
    assert len(set(stamps(result).arrived_ps)) > 1000
    assert run["delivered_pps"] == pytest.approx(run["offered_pps"], rel=0.05)
    assert run["offered_pps"] > 1e6


def test_a_saturated_link_is_full_on_the_way_in() -> None:
    """In pvp ``saturate`` is a full link: a 64 B frame every (64 + 20) x 8 / 25 Gbit/s."""
    result = played({"kind": "saturate", "size": "64B", "packets": 500}, direction="pvp")
    arrived = result.packets.arrived_ps.to_numpy()
    assert np.diff(arrived).mean() == pytest.approx((64 + 20) * 8 / 25e9 * 1e12, rel=1e-4)
    assert any("full link" in note for note in result.notes)
