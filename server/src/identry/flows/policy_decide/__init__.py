"""policy_decide: an application asks whether something may be done, by rules of its own.

Owns: POST /api/apps/{id}/service/policy/decide, GET and PUT /api/apps/{id}/policy. Tables: policies, policy_modes,
policy_decisions.
Never: changes a version that there is, decides on what it does not know, keeps attributes of a request.
"""
