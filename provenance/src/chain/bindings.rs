//! The contracts' functions, events, errors and structs, as in `contracts/interfaces`.
//!
//! One copy of each struct serves all contracts. A test compares every selector with the compiled contracts.
#![allow(missing_docs)] // The documentation is the interfaces' NatSpec.
#![allow(clippy::too_many_arguments)] // The contracts' functions have them.

alloy::sol! {
    #[derive(Debug, PartialEq, Eq, Hash)]
    enum DatasetState { None, Active, EndOfLife, Revoked }

    #[derive(Debug, PartialEq, Eq)]
    struct Dataset {
        address owner;
        bytes32 manifest;
        uint256 root;
        uint64 count;
        uint8 tier;
        uint256 ownerCommitment;
        uint32 version;
        DatasetState state;
    }

    #[derive(Debug, PartialEq, Eq)]
    contract DatasetRegistry {
        event DatasetRegistered(bytes32 indexed id, address indexed owner, Dataset dataset);
        event VersionPublished(bytes32 indexed id, address indexed owner, Dataset dataset);
        event StateChanged(bytes32 indexed id, address indexed owner, Dataset dataset);

        error DatasetExists(bytes32 id);
        error DatasetStale(bytes32 id, bytes32 stored, bytes32 given);
        error NotDatasetOwner(address owner, address caller);
        error DatasetNotActive(bytes32 id, DatasetState state);
        error StateNotForward(DatasetState from, DatasetState to);
        error TierUnknown(uint8 tier);
        error CountOutOfRange(uint64 count, uint64 capacity);
        error NotInField(uint256 word);
        error ManifestMissing();

        function register(bytes32 manifest, uint256 root, uint64 count, uint8 tier, uint256 ownerCommitment)
            external returns (bytes32 id);
        function publishVersion(bytes32 id, Dataset calldata current, bytes32 manifest, uint256 root, uint64 count,
            uint8 tier, uint256 ownerCommitment) external returns (uint32 version);
        function setState(bytes32 id, Dataset calldata current, DatasetState state) external;
        function hashOf(bytes32 id) external view returns (bytes32);
        function isCurrent(bytes32 id, Dataset calldata dataset) external view returns (bool);
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Terms {
        uint16 actions;
        uint16 purposes;
        bool commercial;
        bool attribution;
        uint256 pricePerRun;
        address currency;
        uint32 maxRuns;
        uint64 duration;
        uint64 respondWithin;
        uint64 acceptWithin;
        uint32 minRecords;
        uint64 maxEpsilonMicro;
        uint32 retentionDays;
        bytes32 legalText;
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Offer {
        bytes32 dataset;
        Terms terms;
        address licensee;
        uint32 maxLicenses;
        uint64 validUntil;
        uint256 nonce;
    }

    #[derive(Debug, PartialEq, Eq)]
    struct License {
        bytes32 dataset;
        bytes32 offer;
        address owner;
        address licensee;
        address currency;
        uint256 pricePerRun;
        uint16 actions;
        uint64 expiresAt;
        uint64 respondWithin;
        uint64 acceptWithin;
        uint32 minRecords;
    }

    #[derive(Debug, PartialEq, Eq, Hash)]
    enum LicenseState { None, Active, Revoked, Reclaimed }

    #[derive(Debug, PartialEq, Eq)]
    struct Permit {
        uint256 value;
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    #[derive(Debug, PartialEq, Eq)]
    contract LicenseRegistry {
        event LicenseBought(
            bytes32 indexed license, bytes32 indexed dataset, address indexed licensee, License terms, uint32 runs
        );
        event RunUsed(bytes32 indexed license, uint32 runsLeft);
        event LicenseRevoked(bytes32 indexed license, uint32 runs, uint256 amount);
        event LicenseReclaimed(bytes32 indexed license, uint32 runs, uint256 amount);
        event OfferAnnounced(address indexed owner, bytes32 indexed offerCid);
        event OfferCanceled(address indexed owner, uint256 indexed nonce);

        error DatasetStale(bytes32 dataset);
        error DatasetNotActive(bytes32 dataset, DatasetState state);
        error OfferForAnother(address licensee, address caller);
        error OfferExpired(uint64 validUntil, uint256 time);
        error OfferIsCanceled(address owner, uint256 nonce);
        error OfferSoldOut(bytes32 offer, uint32 maxLicenses);
        error SignatureRefused(address signer);
        error CurrencyNotListed(address currency);
        error TermOutOfRange(string term, uint256 value, uint256 limit);
        error LicenseExists(bytes32 license);
        error WrongAmountReceived(uint256 expected, uint256 received);
        error LicenseMismatch(bytes32 license);
        error LicenseEnded(bytes32 license, LicenseState state);
        error LicenseExpired(bytes32 license, uint64 expiresAt, uint256 time);
        error NoRunsLeft(bytes32 license);
        error NotOwner(address owner, address caller);
        error NotLicensee(address licensee, address caller);
        error NotEscrow(address escrow, address caller);
        error LicenseLocked(uint256 tokenId);
        error BadDeployment(address account);

        function datasets() external view returns (address);
        function escrow() external view returns (address);
        function isCurrency(address token) external view returns (bool);
        function buy(Offer calldata offer, bytes calldata signature, Dataset calldata dataset, uint256 nonce)
            external returns (bytes32 license);
        function buyWithPermit(Offer calldata offer, bytes calldata signature, Dataset calldata dataset,
            uint256 nonce, Permit calldata permit) external returns (bytes32 license);
        function cancelOffer(uint256 nonce) external;
        function announce(bytes32 offerCid) external;
        function revoke(bytes32 license, License calldata terms) external;
        function reclaim(bytes32 license, License calldata terms) external;
        function statusOf(bytes32 license) external view returns (LicenseState state, uint32 runsLeft);
        function isActive(bytes32 license, License calldata terms) external view returns (bool);
        function offerDigest(Offer calldata offer) external view returns (bytes32);
        function sold(bytes32 offer) external view returns (uint32);
        function isOfferCanceled(address owner, uint256 nonce) external view returns (bool);
    }

    #[derive(Debug, PartialEq, Eq, Hash)]
    enum JobState { None, Requested, Committed, Drawn, Accepted, Settled, Delivered, Refunded }

    #[derive(Debug, PartialEq, Eq, Hash)]
    enum RefundReason { Declined, NotRun, NotDrawn, Rejected, NotSettled }

    #[derive(Debug, PartialEq, Eq)]
    struct Job {
        bytes32 license;
        bytes32 dataset;
        address owner;
        address licensee;
        address currency;
        uint256 amount;
        uint16 action;
        bytes32 spec;
        uint32 version;
        uint256 root;
        uint64 count;
        uint8 tier;
        uint256 ownerCommitment;
        uint64 runBy;
        uint64 acceptWithin;
        uint64 settleBy;
    }

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Output {
        uint256 outputRoot;
        bytes32 outputDigest;
        bytes32 keyHash;
        bytes32 outputCid;
    }

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Commitment {
        Output output;
        uint64 atBlock;
        uint64 acceptBy;
        uint256 challenge;
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Receipt {
        bytes32 license;
        bytes32 job;
        bytes32 dataset;
        uint32 version;
        uint256 root;
        bytes32 spec;
        uint16 action;
        uint64 records;
        uint256 outputRoot;
        bytes32 outputDigest;
        uint256 amount;
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Grant {
        address delegate;
        bytes32 dataset;
        uint16 actions;
        uint32 maxJobs;
        uint64 validUntil;
        uint256 nonce;
    }

    #[derive(Debug, PartialEq, Eq)]
    contract JobEscrow {
        event JobRequested(bytes32 indexed job, bytes32 indexed license, bytes32 indexed dataset, Job details);
        event JobCommitted(bytes32 indexed job, bytes32 indexed dataset, address indexed by, Commitment commitment);
        event JobDrawn(bytes32 indexed job, uint256 challenge);
        event JobAccepted(bytes32 indexed job);
        event JobSettled(bytes32 indexed job, bytes32 indexed dataset, address indexed owner, address currency,
            uint256 amount, bytes32 k, bytes32 receiptHash, bytes32 head);
        event JobRefunded(bytes32 indexed job, bytes32 indexed dataset, address indexed licensee, address currency,
            uint256 amount, RefundReason reason);
        event JobAcknowledged(bytes32 indexed job, bytes32 receiptHash, bytes signature);
        event Credited(address indexed account, address indexed currency, bytes32 indexed cause, uint256 amount);
        event Withdrawn(address indexed account, address indexed currency, address to, uint256 amount);
        event GrantCanceled(address indexed owner, uint256 indexed nonce);

        error JobExists(bytes32 job);
        error JobMismatch(bytes32 job);
        error WrongState(bytes32 job, JobState state);
        error DeadlinePassed(uint256 deadline, uint256 time);
        error DeadlineNotPassed(uint256 deadline, uint256 time);
        error NotLicensee(address licensee, address caller);
        error NotOwner(address owner, address caller);
        error ActionNotLicensed(uint16 action, uint16 licensed);
        error ActionNotOffered(uint16 action, uint8 tier);
        error DatasetStale(bytes32 dataset);
        error DatasetRevoked(bytes32 dataset);
        error TooFewRecords(uint64 count, uint32 minRecords);
        error NotInField(uint256 word);
        error DrawTooEarly(uint64 commitBlock);
        error DrawWindowMissed(uint64 commitBlock, uint256 currentBlock);
        error DrawWindowOpen(uint64 commitBlock, uint256 currentBlock);
        error BlockHashUnavailable(uint64 commitBlock);
        error KeyMismatch(bytes32 keyHash, bytes32 given);
        error ProofRefused(bytes32 job);
        error SignatureRefused(address signer);
        error NotDelegate(address delegate, address caller);
        error GrantNotForJob(bytes32 job);
        error GrantExpired(uint64 validUntil, uint256 time);
        error GrantIsCanceled(address owner, uint256 nonce);
        error GrantUsedUp(bytes32 grant, uint32 maxJobs);
        error NothingToWithdraw(address account, address currency);
        error NotLicenseRegistry(address registry, address caller);
        error BadDeployment(address account);

        function datasets() external view returns (address);
        function licenses() external view returns (address);
        function verifierOf(uint16 action, uint8 tier) external view returns (address);
        function request(bytes32 license, License calldata terms, Dataset calldata dataset, uint16 action,
            bytes32 spec, uint256 nonce) external returns (bytes32 job);
        function decline(bytes32 job, Job calldata details) external;
        function commit(bytes32 job, Job calldata details, Output calldata output) external;
        function declineFor(bytes32 job, Job calldata details, Grant calldata grant, bytes calldata signature) external;
        function commitFor(bytes32 job, Job calldata details, Output calldata output, Grant calldata grant,
            bytes calldata signature) external;
        function cancelGrant(uint256 nonce) external;
        function grantUsed(bytes32 grant) external view returns (uint32);
        function isGrantCanceled(address owner, uint256 nonce) external view returns (bool);
        function draw(bytes32 job, Job calldata details, Commitment calldata commitment)
            external returns (uint256 challenge);
        function reject(bytes32 job, Job calldata details, Commitment calldata commitment) external;
        function accept(bytes32 job, Job calldata details, Commitment calldata commitment) external;
        function settle(bytes32 job, Job calldata details, Commitment calldata commitment,
            uint256[8] calldata proof, bytes32 k) external;
        function refund(bytes32 job, Job calldata details, Commitment calldata commitment) external;
        function acknowledge(bytes32 job, Job calldata details, Commitment calldata commitment,
            bytes calldata signature) external;
        function withdraw(address currency) external returns (uint256 amount);
        function withdrawTo(address currency, address to) external returns (uint256 amount);
        function stateOf(bytes32 job) external view returns (JobState);
        function head(bytes32 dataset) external view returns (bytes32);
        function credits(address account, address currency) external view returns (uint256);
        function contextOf(bytes32 job, Job calldata details, Output calldata output) external view returns (uint256);
        function receiptHash(Receipt calldata receipt) external pure returns (bytes32);
        function receiptDigest(Receipt calldata receipt) external view returns (bytes32);
    }

    #[derive(Debug, PartialEq, Eq)]
    contract ProvenanceVerifier {
        error KeyRefused(uint256 word);

        function verify(uint256[8] calldata proof, uint256[6] calldata inputs) external view returns (bool);
        function insecureDevelopmentKey() external view returns (bool);
        function keyDigest() external view returns (bytes32);
    }

    #[derive(Debug, PartialEq, Eq)]
    contract RewardToken {
        event FaucetUsed(address indexed to, uint256 amount);

        error FaucetLimitReached(address to, uint256 limit);
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);

        function FAUCET_AMOUNT() external view returns (uint256);
        function faucet(address to) external;
        function faucetGiven(address to) external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 value) external returns (bool);
        function transfer(address to, uint256 value) external returns (bool);
        function nonces(address owner) external view returns (uint256);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
        function eip712Domain() external view returns (bytes1 fields, string memory name, string memory version,
            uint256 chainId, address verifyingContract, bytes32 salt, uint256[] memory extensions);
    }
}
