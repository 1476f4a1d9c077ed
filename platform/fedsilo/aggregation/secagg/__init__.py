"""Secure aggregation: the coordinator learns the sum of the clients' vectors and nothing else about them.

The protocol is that of Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
2017; with `graph="neighbours"` clients mask and share along a sparse graph as in Bell et al., "Secure Single-Server
Aggregation with (Poly)Logarithmic Overhead", CCS 2020 (SecAgg+). Everything here is plain objects and messages: no
Ray, no torch, no clock. Each side takes a message, returns one, and refuses what the other should not have sent.

    coordinator                      client
    Opening          ->              SecureClient(number, opening.parameters, opening.context)
                     <- Advertise    advertise()           stage 'advertise'
    Roster           ->
                     <- SealedShares share(roster)         stage 'share'
    Mailbox          ->              prepare(mailbox)
                     <- Masked       mask(vector)          stage 'mask'
    Survivors        ->
                     <- Unmask       unmask(survivors)     stage 'unmask'
    result()

Protected against: a coordinator that follows the protocol and analyses what it gets, together with up to `colluding`
clients, and anyone on the network. On the complete graph 2t > n + c also keeps a coordinator that reports different
survivors to different clients from opening both secrets of one client. With signed rosters (`signatures.Signer`) also a
coordinator that invents clients.

Out of scope: clients that send wrong vectors, side channels (Python's integers are not constant time, its memory cannot
be erased for certain), and a simulation in which all clients share one machine anyway.
"""
