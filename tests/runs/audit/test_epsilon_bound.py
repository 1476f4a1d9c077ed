"""The bound on epsilon from guesses of coins."""

from fedsilo.runs.audit.epsilon_bound import Coins, prove_bound


def test_the_most_is_what_all_right_guesses_would_have_proved() -> None:
    coins = Coins(100, 4, 0.0)
    found = prove_bound(coins, [(50, 40), (100, 70)])
    assert found.most == prove_bound(coins, [(50, 50), (100, 100)]).epsilon
    assert 0 < found.epsilon < found.most
