"""How the scenarios are dealt to processes (pytest-xdist): what takes long begins first, and tests that share what
was set up for their module stay together."""
import pytest

# With the seconds that they take, alone on two cores. A module not named is one piece.
APART = ("test_faults.py", "test_transfers.py", "test_kenterd.py", "test_kenterd_peers.py", "test_serve.py", "test_net.py",
         "test_client.py", "test_keys_peers.py", "test_answers.py", "test_check_peers.py", "test_bad_input.py")
LONG = ("test_faults.py", "test_lab.py")


def module(nodeid):
    return nodeid.split("::")[0].rsplit("/", 1)[-1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    def turn(item):
        return next((number for number, start in enumerate(LONG) if start in item.nodeid), len(LONG))
    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class Pieces(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid if module(nodeid) in APART else module(nodeid)

    return Pieces(config, log)
