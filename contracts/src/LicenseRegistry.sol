// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Dataset, DatasetState, IDatasetRegistry} from "../interfaces/IDatasetRegistry.sol";
import {IERC5192} from "../interfaces/IERC5192.sol";
import {IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {ILicenseRegistry, License, LicenseState, Offer, Permit, Terms} from "../interfaces/ILicenseRegistry.sol";

/// @title Licenses: bought from signed offers, locked to their buyer, used up by jobs
/// @dev One slot per license: 216 bits of keccak256(License), then runs left (32 bits), then state (8 bits).
/// 216 bits leave collisions at 2^108 tries. No money is held here: the price goes straight to the escrow.
contract LicenseRegistry is ILicenseRegistry, IERC5192, ERC721, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// Longest respondWithin and acceptWithin: no wait can hold money much longer than two months.
    uint64 public constant MAX_WAIT = 30 days;
    /// Longest duration of a license.
    uint64 public constant MAX_DURATION = 3650 days;

    bytes32 private constant TERMS_TYPEHASH = keccak256(
        "Terms(uint16 actions,uint16 purposes,bool commercial,bool attribution,uint256 pricePerRun,address currency,uint32 maxRuns,uint64 duration,uint64 respondWithin,uint64 acceptWithin,uint32 minRecords,uint64 maxEpsilonMicro,uint32 retentionDays,bytes32 legalText)"
    );
    bytes32 private constant OFFER_TYPEHASH = keccak256(
        "Offer(bytes32 dataset,Terms terms,address licensee,uint32 maxLicenses,uint64 validUntil,uint256 nonce)Terms(uint16 actions,uint16 purposes,bool commercial,bool attribution,uint256 pricePerRun,address currency,uint32 maxRuns,uint64 duration,uint64 respondWithin,uint64 acceptWithin,uint32 minRecords,uint64 maxEpsilonMicro,uint32 retentionDays,bytes32 legalText)"
    );
    /// The bits of a slot that hold the struct's hash.
    uint256 private constant HASH_MASK = ~uint256(type(uint40).max);

    /// @inheritdoc ILicenseRegistry
    IDatasetRegistry public immutable datasets;
    /// @inheritdoc ILicenseRegistry
    address public immutable escrow;

    /// @inheritdoc ILicenseRegistry
    mapping(address token => bool) public isCurrency;
    /// @inheritdoc ILicenseRegistry
    mapping(bytes32 offer => uint32) public sold;
    mapping(bytes32 license => uint256 slot) private _licenses;
    mapping(address owner => mapping(uint256 word => uint256 bits)) private _canceled;

    /// @param datasets_ the DatasetRegistry
    /// @param escrow_ the address the JobEscrow will have; its constructor checks that it is the one named here
    /// @param currencies the tokens prices may be in, for ever
    constructor(IDatasetRegistry datasets_, address escrow_, address[] memory currencies)
        ERC721("Usufruct License", "USUL")
        EIP712("Usufruct", "1")
    {
        if (address(datasets_).code.length == 0) revert BadDeployment(address(datasets_));
        if (escrow_ == address(0)) revert BadDeployment(escrow_);
        if (currencies.length == 0) revert BadDeployment(address(0));
        datasets = datasets_;
        escrow = escrow_;
        for (uint256 i = 0; i < currencies.length; ++i) {
            address currency = currencies[i];
            if (currency.code.length == 0 || isCurrency[currency]) revert BadDeployment(currency);
            isCurrency[currency] = true;
        }
    }

    /// @inheritdoc ILicenseRegistry
    function buy(Offer calldata offer, bytes calldata signature, Dataset calldata dataset, uint256 nonce)
        external
        nonReentrant
        returns (bytes32 license)
    {
        return _buy(offer, signature, dataset, nonce);
    }

    /// @inheritdoc ILicenseRegistry
    function buyWithPermit(
        Offer calldata offer,
        bytes calldata signature,
        Dataset calldata dataset,
        uint256 nonce,
        Permit calldata permit
    ) external nonReentrant returns (bytes32 license) {
        // Before any call to it: only listed tokens are called at all.
        if (!isCurrency[offer.terms.currency]) revert CurrencyNotListed(offer.terms.currency);
        // Whoever saw this permit in the mempool can use it first; then the allowance is there and the call fails.
        try IERC20Permit(offer.terms.currency)
            .permit(msg.sender, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
        return _buy(offer, signature, dataset, nonce);
    }

    /// @inheritdoc ILicenseRegistry
    function cancelOffer(uint256 nonce) external {
        _canceled[msg.sender][nonce >> 8] |= 1 << (nonce & 0xff);
        emit OfferCanceled(msg.sender, nonce);
    }

    /// @inheritdoc ILicenseRegistry
    function announce(bytes32 offerCid) external {
        emit OfferAnnounced(msg.sender, offerCid);
    }

    /// @inheritdoc ILicenseRegistry
    function revoke(bytes32 license, License calldata terms) external nonReentrant {
        uint32 runs = _checkActive(license, terms);
        if (msg.sender != terms.owner) revert NotOwner(terms.owner, msg.sender);
        uint256 amount = _end(license, terms, runs, LicenseState.Revoked);
        emit LicenseRevoked(license, runs, amount);
    }

    /// @inheritdoc ILicenseRegistry
    function reclaim(bytes32 license, License calldata terms) external nonReentrant {
        uint32 runs = _checkActive(license, terms);
        if (runs == 0) revert NoRunsLeft(license);
        if (msg.sender != terms.licensee && block.timestamp <= terms.expiresAt) {
            revert NotLicensee(terms.licensee, msg.sender);
        }
        uint256 amount = _end(license, terms, runs, LicenseState.Reclaimed);
        emit LicenseReclaimed(license, runs, amount);
    }

    /// @inheritdoc ILicenseRegistry
    function useRun(bytes32 license, License calldata terms) external nonReentrant {
        if (msg.sender != escrow) revert NotEscrow(escrow, msg.sender);
        uint32 runs = _checkActive(license, terms);
        if (block.timestamp > terms.expiresAt) revert LicenseExpired(license, terms.expiresAt, block.timestamp);
        if (runs == 0) revert NoRunsLeft(license);
        _licenses[license] = _pack(terms, runs - 1, LicenseState.Active);
        emit RunUsed(license, runs - 1);
    }

    /// @inheritdoc ILicenseRegistry
    function statusOf(bytes32 license) public view returns (LicenseState state, uint32 runsLeft) {
        uint256 slot = _licenses[license];
        return (LicenseState(uint8(slot)), uint32(slot >> 8));
    }

    /// @inheritdoc ILicenseRegistry
    function isActive(bytes32 license, License calldata terms) external view returns (bool) {
        (LicenseState state, uint32 runsLeft) = statusOf(license);
        return state == LicenseState.Active && runsLeft != 0 && block.timestamp <= terms.expiresAt
            && _licenses[license] == _pack(terms, runsLeft, state);
    }

    /// @inheritdoc ILicenseRegistry
    function offerDigest(Offer calldata offer) public view returns (bytes32) {
        bytes32 terms = keccak256(abi.encode(TERMS_TYPEHASH, offer.terms));
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    OFFER_TYPEHASH,
                    offer.dataset,
                    terms,
                    offer.licensee,
                    offer.maxLicenses,
                    offer.validUntil,
                    offer.nonce
                )
            )
        );
    }

    /// @inheritdoc ILicenseRegistry
    function isOfferCanceled(address owner, uint256 nonce) public view returns (bool) {
        return _canceled[owner][nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }

    /// @inheritdoc IERC5192
    function locked(uint256 tokenId) external view returns (bool) {
        _requireOwned(tokenId);
        return true;
    }

    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERC5192).interfaceId || super.supportsInterface(interfaceId);
    }

    function approve(address, uint256 tokenId) public pure override {
        revert LicenseLocked(tokenId);
    }

    function setApprovalForAll(address, bool) public pure override {
        revert LicenseLocked(0);
    }

    function transferFrom(address, address, uint256 tokenId) public pure override {
        revert LicenseLocked(tokenId);
    }

    function safeTransferFrom(address, address, uint256 tokenId, bytes memory) public pure override {
        revert LicenseLocked(tokenId);
    }

    function _buy(Offer calldata offer, bytes calldata signature, Dataset calldata dataset, uint256 nonce)
        private
        returns (bytes32 license)
    {
        bytes32 digest = offerDigest(offer);
        _checkTerms(offer.terms);
        _checkOffer(offer, dataset);
        if (!SignatureChecker.isValidSignatureNowCalldata(dataset.owner, digest, signature)) {
            revert SignatureRefused(dataset.owner);
        }
        uint32 count = sold[digest];
        if (count >= offer.maxLicenses) revert OfferSoldOut(digest, offer.maxLicenses);
        sold[digest] = count + 1;

        license = keccak256(abi.encode(digest, msg.sender, nonce));
        if (_licenses[license] != 0) revert LicenseExists(license);
        _issue(license, digest, offer, dataset.owner);
        // At most 2^128 * 2^32: cannot overflow.
        _collect(offer.terms.currency, offer.terms.pricePerRun * offer.terms.maxRuns);
    }

    function _issue(bytes32 license, bytes32 digest, Offer calldata offer, address owner) private {
        Terms calldata t = offer.terms;
        License memory terms = License({
            dataset: offer.dataset,
            offer: digest,
            owner: owner,
            licensee: msg.sender,
            currency: t.currency,
            pricePerRun: t.pricePerRun,
            actions: t.actions,
            expiresAt: uint64(block.timestamp) + t.duration,
            respondWithin: t.respondWithin,
            acceptWithin: t.acceptWithin,
            minRecords: t.minRecords
        });
        _licenses[license] = _pack(terms, t.maxRuns, LicenseState.Active);
        // Not _safeMint: the token cannot move anyway, and a buyer must not get control in the middle of a purchase.
        _mint(msg.sender, uint256(license));
        emit Locked(uint256(license));
        emit LicenseBought(license, offer.dataset, msg.sender, terms, t.maxRuns);
    }

    function _collect(address currency, uint256 price) private {
        if (price == 0) return;
        uint256 before = IERC20(currency).balanceOf(escrow);
        IERC20(currency).safeTransferFrom(msg.sender, escrow, price);
        uint256 balance = IERC20(currency).balanceOf(escrow);
        uint256 received = balance > before ? balance - before : 0;
        if (received != price) revert WrongAmountReceived(price, received);
    }

    function _end(bytes32 license, License calldata terms, uint32 runs, LicenseState state)
        private
        returns (uint256 amount)
    {
        amount = terms.pricePerRun * runs;
        _licenses[license] = _pack(terms, 0, state);
        IJobEscrow(escrow).creditLicensee(license, terms.licensee, terms.currency, amount);
    }

    function _checkTerms(Terms calldata t) private view {
        if (!isCurrency[t.currency]) revert CurrencyNotListed(t.currency);
        if (t.pricePerRun > type(uint128).max) {
            revert TermOutOfRange("pricePerRun", t.pricePerRun, type(uint128).max);
        }
        if (t.maxRuns == 0) revert TermOutOfRange("maxRuns", 0, type(uint32).max);
        if (t.duration > MAX_DURATION) revert TermOutOfRange("duration", t.duration, MAX_DURATION);
        if (t.respondWithin > MAX_WAIT) revert TermOutOfRange("respondWithin", t.respondWithin, MAX_WAIT);
        if (t.acceptWithin > MAX_WAIT) revert TermOutOfRange("acceptWithin", t.acceptWithin, MAX_WAIT);
    }

    function _checkOffer(Offer calldata offer, Dataset calldata dataset) private view {
        if (block.timestamp > offer.validUntil) revert OfferExpired(offer.validUntil, block.timestamp);
        if (offer.licensee != address(0) && offer.licensee != msg.sender) {
            revert OfferForAnother(offer.licensee, msg.sender);
        }
        if (datasets.hashOf(offer.dataset) != keccak256(abi.encode(dataset))) revert DatasetStale(offer.dataset);
        if (dataset.state != DatasetState.Active) revert DatasetNotActive(offer.dataset, dataset.state);
        if (dataset.count < offer.terms.minRecords) {
            revert TermOutOfRange("minRecords", offer.terms.minRecords, dataset.count);
        }
        if (isOfferCanceled(dataset.owner, offer.nonce)) revert OfferIsCanceled(dataset.owner, offer.nonce);
    }

    function _checkActive(bytes32 license, License calldata terms) private view returns (uint32 runs) {
        LicenseState state;
        (state, runs) = statusOf(license);
        if (_licenses[license] != _pack(terms, runs, state)) revert LicenseMismatch(license);
        if (state != LicenseState.Active) revert LicenseEnded(license, state);
    }

    function _pack(License memory terms, uint32 runs, LicenseState state) private pure returns (uint256) {
        return (uint256(keccak256(abi.encode(terms))) & HASH_MASK) | (uint256(runs) << 8) | uint256(state);
    }
}
