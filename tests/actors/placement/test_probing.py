"""What a client's process is measured to need."""

from fedsilo_actors.placement.probing import ProcessGauge


def test_a_process_is_measured_by_what_it_holds() -> None:
    gauge = ProcessGauge()
    gauge.begin()
    ballast = bytearray(b"x") * (64 << 20)
    memory, there_is = gauge.peak()
    assert len(ballast) < memory < there_is
