DROP TABLE policy_decisions;
DROP TABLE policy_modes;
DROP TABLE policies;
